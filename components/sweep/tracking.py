"""The MLflow runs of a sweep: one for the sweep, and below it one for each trial."""

import time
from pathlib import Path
from typing import Any

from components.contracts import Target
from components.files import read_json, write_json
from components.lineage import git_state
from components.params import Params
from components.registry import connect, experiment_id, telling
from components.settings import Settings
from components.sweep.record import Trial

STATUS = {"complete": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}
"""What MLflow calls the end of a trial; that of one that was ended early, KILLED."""
SCORES = {"classes": "validation_accuracy", "values": "validation_r2"}
"""What MLflow calls the score, as it does of a training."""
SWEEP = "sweep"


class Tracking:
    """Hears of the trials, and logs them; gone on with by the process that goes on with the sweep.

    Attributes:
        client: an MlflowClient.
        settings: where the store is.
        file: the runs by number of their trial, and that of the sweep.
        runs: what the file holds.
    """

    def __init__(self, params: Params, settings: Settings, folder: Path, target: Target) -> None:
        self.client: Any = connect(settings)
        self.settings, self.file, self.score = settings, folder / "runs.json", SCORES[target.kind]
        self.experiment = experiment_id(self.client, settings, params.name)
        self.logged: dict[int, int] = {}
        self.runs: dict[str, str] = read_json(self.file) if self.file.exists() else {}
        if SWEEP not in self.runs:
            tags = {"tunesmith.stage": SWEEP, "tunesmith.sweep": folder.name}
            git = git_state()
            tags |= {"mlflow.source.git.commit": git.commit or "none", "tunesmith.git_dirty": str(git.dirty).lower()}
            self._create(SWEEP, f"sweep {folder.name}", tags)

    def changed(self, trial: Trial) -> None:
        """Begins, goes on with, or closes the run of a trial.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        key = str(trial.number)
        if key not in self.runs:
            tags = {"tunesmith.stage": "trial", "mlflow.parentRunId": self.runs[SWEEP]}
            self._create(key, f"trial {trial.number}", tags)
            self._log_values(trial)
        self._log_epochs(trial)
        if trial.state != "running":
            self._close(key, STATUS.get(trial.state, "KILLED"), {"tunesmith.state": trial.state})

    def finish(self, trials: tuple[Trial, ...], winner: int | None) -> None:
        """Closes the run of the sweep, with the winner's values and score.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        from mlflow.entities import Metric, Param

        if winner is not None:
            best = trials[winner]
            values = [Param(place, str(value)[:6000]) for place, value in best.values.items()]
            metrics = [Metric(f"best_{self.score}", best.score, _now(), 0)]
            with telling(self.settings):
                self.client.log_batch(self.runs[SWEEP], params=values, metrics=metrics)
        self._close(SWEEP, "FINISHED", {"tunesmith.winner": str(winner)})

    def _create(self, key: str, name: str, tags: dict[str, str]) -> None:
        with telling(self.settings):
            self.runs[key] = self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id
        write_json(self.file, self.runs)

    def _log_values(self, trial: Trial) -> None:
        from mlflow.entities import Param

        with telling(self.settings):
            values = [Param(place, str(value)[:6000]) for place, value in trial.values.items()]
            self.client.log_batch(self.runs[str(trial.number)], params=values)

    def _log_epochs(self, trial: Trial) -> None:
        """The epochs that this process has not logged."""
        from mlflow.entities import Metric

        new = trial.epochs[self.logged.get(trial.number, 0) :]
        self.logged[trial.number] = len(trial.epochs)
        metrics = [
            Metric(name.replace("validation_score", self.score), value, _now(), row.epoch)
            for row in new
            for name, value in row.model_dump(exclude={"epoch"}).items()
        ]
        if metrics:
            with telling(self.settings):
                self.client.log_batch(self.runs[str(trial.number)], metrics=metrics)

    def _close(self, key: str, status: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        with telling(self.settings):
            self.client.log_batch(self.runs[key], tags=[RunTag(*tag) for tag in tags.items()])
            self.client.set_terminated(self.runs[key], status)


def _now() -> int:
    return int(time.time() * 1000)
