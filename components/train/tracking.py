"""The MLflow run of a training: parameters, lineage and curves, gone on with after a resume."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from components.contracts import AUGMENTED, PREPARED, Target, TrainedModel
from components.files import read_json, write_json
from components.lineage import code_tree, git_state, tree_digest
from components.params import Params
from components.registry import connect, experiment_id, telling
from components.settings import Settings
from components.train.history import History

ORIGIN = "run.json"
"""File beside the checkpoints that names the run, so that a resumed training goes on with it."""

SCORES = {"classes": "validation_accuracy", "values": "validation_r2"}
"""What MLflow calls the score, by the kind of the target."""


@dataclass(frozen=True)
class Tracking:
    """An open MLflow run.

    Attributes:
        client: an MlflowClient.
        run_id: the run that training logs to.
        settings: where the store is.
        score: what the validation score is called there.
    """

    client: Any
    run_id: str
    settings: Settings
    score: str

    @classmethod
    def open(cls, params: Params, settings: Settings, state: Path, target: Target) -> Self:
        """Goes on with the run that ``state`` names if this tracking store knows it, else starts one.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        client = connect(settings)
        if (state / ORIGIN).exists():
            run_id = read_json(state / ORIGIN)["run_id"]
            if _knows(client, settings, run_id):
                return cls(client, run_id, settings, SCORES[target.kind])
        experiment = experiment_id(client, settings, params.name)
        with telling(settings):
            run_id = client.create_run(experiment, run_name="train").info.run_id
            tracking = cls(client, run_id, settings, SCORES[target.kind])
            tracking._describe(params)
        write_json(state / ORIGIN, {"run_id": run_id})
        return tracking

    def _describe(self, params: Params) -> None:
        from mlflow.entities import Param, RunTag

        logged = [
            Param(name, str(value)[:6000]) for name, value in _flat(params.model_dump(mode="json", by_alias=True))
        ]
        commit = git_state()
        tags = {
            "tunesmith.stage": "train",
            "tunesmith.data": _digest(PREPARED),
            "tunesmith.order": _digest(AUGMENTED),
            "mlflow.source.git.commit": commit.commit or "none",
            "tunesmith.git_dirty": str(commit.dirty).lower(),
        }
        self.client.log_batch(self.run_id, params=logged, tags=[RunTag(*tag) for tag in tags.items()])

    def callback(self, history: History) -> Callback:
        """Logs each epoch's row of the history."""
        return EpochMetrics(self, history)

    def finish(self, trained: TrainedModel) -> None:
        """Logs how training ended, and closes the run."""
        summary = {f"best_{self.score}": trained.validation_score, "parameters": trained.parameters}
        self.log(summary, trained.epochs)
        self._close("FINISHED")

    def fail(self) -> None:
        """Closes the run of a training that came to nothing."""
        self._close("FAILED")

    def _close(self, status: str) -> None:
        with telling(self.settings):
            self.client.set_terminated(self.run_id, status)

    def log(self, values: dict[str, float], step: int) -> None:
        """Logs measures of one epoch in one request.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with telling(self.settings):
            metrics = [Metric(name, value, now, step) for name, value in values.items()]
            self.client.log_batch(self.run_id, metrics=metrics)


class EpochMetrics(Callback):
    """Hands the last row of the history to MLflow."""

    def __init__(self, tracking: Tracking, history: History) -> None:
        self.tracking, self.history = tracking, history

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the epoch that the history has just closed."""
        row = dict(self.history.epochs[-1])
        row[self.tracking.score] = row.pop("validation_score")
        self.tracking.log(row, int(row.pop("epoch")))


def is_first_process() -> bool:
    """Whether this process is the one of a distributed training that writes files and logs."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def _knows(client: Any, settings: Settings, run_id: str) -> bool:
    """Whether this store holds the run: the checkpoint may come from a time when another store was set."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    with telling(settings):
        try:
            client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return False
            raise
    return True


def _digest(folder: Path) -> str:
    return tree_digest(code_tree(folder))


def _flat(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(node, dict):
        return [(prefix.rstrip("."), node)]
    return [pair for key, value in node.items() for pair in _flat(value, f"{prefix}{key}.")]
