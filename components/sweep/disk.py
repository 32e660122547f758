"""The checkpoints of a sweep within their quota: the best are kept."""

import contextlib
import shutil
from pathlib import Path

from components.sweep.record import Trial, best
from components.sweep.trials import Trials
from components.train.state import RESUME


class Quota:
    """Deletes what an ended trial needs no more, and the worst of the rest where the quota is exceeded.

    What running trials go on from counts, but is never deleted; nor is the best trial, however little is left for it.

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
        excess = _bytes(self.folder) - self.megabytes * 1e6
        if excess > 0:
            self._free(excess, [each for each in self.trials.records() if each.state != "running"])

    def _free(self, excess: float, ended: list[Trial]) -> None:
        """Deletes the checkpoints of the worst trials, until so many bytes are free."""
        kept = best(tuple(ended))
        for worst in sorted(ended, key=lambda each: (each.score is not None, each.score or 0.0)):
            if excess <= 0:
                return
            if worst.number == kept:
                continue
            excess -= _bytes(self._of(worst))
            shutil.rmtree(self._of(worst), ignore_errors=True)

    def _of(self, trial: Trial) -> Path:
        return self.folder / f"{trial.number:05d}"


def _bytes(folder: Path) -> int:
    """Of all files below a folder; one that is renamed at this moment is left out."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += file.lstat().st_size if file.is_file() else 0
    return total
