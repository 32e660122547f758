"""The MLflow run of a training: parameters, lineage and curves, gone on with after a resume."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from components.contracts import AUGMENTED, PREPARED, TrainedModel
from components.files import read_json, write_json
from components.lineage import code_tree, tree_digest
from components.params import Params
from components.registry import connect, experiment_id
from components.settings import Settings
from components.train.history import History

ORIGIN = "run.json"
"""File beside the checkpoints that names the run, so that a resumed training goes on with it."""


@dataclass(frozen=True)
class Tracking:
    """An open MLflow run.

    Attributes:
        client: an MlflowClient.
        run_id: the run that training logs to.
    """

    client: Any
    run_id: str

    @classmethod
    def open(cls, params: Params, settings: Settings, state: Path) -> Self:
        """Goes on with the run that ``state`` names, or starts one.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        client = connect(settings)
        if (state / ORIGIN).exists():
            return cls(client, read_json(state / ORIGIN)["run_id"])
        run_id = client.create_run(experiment_id(client, settings, params.name), run_name="train").info.run_id
        tracking = cls(client, run_id)
        tracking._describe(params)
        write_json(state / ORIGIN, {"run_id": run_id})
        return tracking

    def _describe(self, params: Params) -> None:
        from mlflow.entities import Param, RunTag

        logged = [
            Param(name, str(value)[:6000]) for name, value in _flat(params.model_dump(mode="json", by_alias=True))
        ]
        tags = {"tunesmith.stage": "train", "tunesmith.data": _digest(PREPARED), "tunesmith.order": _digest(AUGMENTED)}
        self.client.log_batch(self.run_id, params=logged, tags=[RunTag(*tag) for tag in tags.items()])

    def callback(self, history: History) -> Callback:
        """Logs each epoch's row of the history."""
        return EpochMetrics(self, history)

    def finish(self, trained: TrainedModel) -> None:
        """Logs how training ended, and closes the run."""
        self.log(
            {"best_validation_accuracy": trained.validation_accuracy, "parameters": trained.parameters}, trained.epochs
        )
        self.client.set_terminated(self.run_id, "FINISHED")

    def log(self, values: dict[str, float], step: int) -> None:
        """Logs measures of one epoch in one request."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, metrics=[Metric(name, value, now, step) for name, value in values.items()])


class EpochMetrics(Callback):
    """Hands the last row of the history to MLflow."""

    def __init__(self, tracking: Tracking, history: History) -> None:
        self.tracking, self.history = tracking, history

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the epoch that the history has just closed."""
        row = dict(self.history.epochs[-1])
        self.tracking.log(row, int(row.pop("epoch")))


def is_first_process() -> bool:
    """Whether this process is the one of a distributed training that writes files and logs."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def _digest(folder: Path) -> str:
    return tree_digest(code_tree(folder))


def _flat(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(node, dict):
        return [(prefix.rstrip("."), node)]
    return [pair for key, value in node.items() for pair in _flat(value, f"{prefix}{key}.")]
