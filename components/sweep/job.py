"""What travels to the workers. Light, as a worker has started when it has imported this.

Ray Tune gives a worker that has become free to the trial that waits for another one to start, and ends that one: if it
took longer to start than a trial takes, no second worker would ever be there. What is heavy is imported by the first
trial of a worker, which nobody ends for that.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAID = "said"
"""Under which a trial reports."""


@dataclass(frozen=True)
class Job:
    """What all trials of a sweep have in common.

    Attributes:
        root: of the workspace, the same on every node.
        folder: of the sweep, the same on every node.
        base: params.yaml with the epochs of a trial, as JSON.
        threads: of a trial.
        costly: whether its graph is measured.
        decisive: epochs after which the scheduler may end a trial, or exchange its weights.
        exchange: whether trials may go on from the weights of others then.
    """

    root: Path
    folder: Path
    base: str
    threads: int
    costly: bool
    decisive: frozenset[int]
    exchange: bool

    def state(self, number: int) -> Path:
        """Folder of the checkpoints of a trial."""
        return self.folder / "trials" / f"{number:05d}"


def run_trial(config: dict[str, Any], job: Job) -> None:
    """What Ray runs: a trial."""
    from components.sweep.trial import train_trial

    train_trial(config, job)
