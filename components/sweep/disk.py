"""The checkpoints of a sweep within their quota: the best are kept."""

import shutil
from pathlib import Path

from components.sweep.record import Trial
from components.sweep.trials import Trials
from components.train.run import RESUME


class Quota:
    """Deletes what an ended trial needs no more, and the worst of the rest where the quota is exceeded.

    Attributes:
        folder: with a folder for each trial.
        megabytes: the quota.
        trials: of the sweep; set once they are there.
    """

    def __init__(self, folder: Path, megabytes: float) -> None:
        self.folder, self.megabytes = folder, megabytes
        self.trials: Trials | None = None

    def changed(self, trial: Trial) -> None:
        """Looks at the disk when a trial has ended."""
        if trial.state == "running" or self.trials is None:
            return
        (self._of(trial) / RESUME).unlink(missing_ok=True)
        ended = [each for each in self.trials.records() if each.state != "running"]
        for worst in sorted(ended, key=lambda each: (each.score is not None, each.score or 0.0)):
            if self.used() <= self.megabytes * 1e6:
                return
            shutil.rmtree(self._of(worst), ignore_errors=True)

    def used(self) -> int:
        """Bytes of all checkpoints."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def _of(self, trial: Trial) -> Path:
        return self.folder / f"{trial.number:05d}"
