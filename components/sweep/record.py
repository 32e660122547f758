"""What a sweep leaves: every trial and what became of it, in one file."""

from typing import Any, Literal, Protocol

from components.contracts import REPORTS, Record
from components.params.sections import Objective, SweepParams

TrialState = Literal["complete", "stopped", "diverged", "too_costly", "failed", "out_of_time", "running"]
"""``stopped``: by the scheduler; ``too_costly``: it breaks a constraint, and was not trained."""
RECORD, REPORT = REPORTS / "sweep" / "sweep.json", REPORTS / "sweep" / "report.html"
LOWER_IS_BETTER = ("latency_ms", "kilobytes")


class EpochRow(Record):
    """One epoch of a trial."""

    epoch: int
    """From 1."""
    train_loss: float
    validation_loss: float
    validation_score: float
    learning_rate: float
    """At the end of the epoch."""
    seconds: float


class Trial(Record):
    """One trial.

    Attributes:
        number: from 0, which is params.yaml as it was.
        values: by the places of params.yaml; what the trial had set.
        state: how it ended.
        score: its best validation score; None: it was not trained, or diverged.
        best_epoch: the epoch of that score, from 1.
        costs: latency and size of its graph, where the sweep asks for them.
        epochs: what was measured of each.
        seconds: of its training.
        fault: why it failed, if it did.
    """

    number: int
    values: dict[str, Any]
    state: TrialState
    score: float | None
    best_epoch: int | None
    costs: dict[str, float]
    epochs: tuple[EpochRow, ...]
    seconds: float
    fault: str | None

    def objective(self, name: Objective) -> float | None:
        """What it came to, by one objective."""
        return self.score if name == "validation_score" else self.costs.get(name)


class Listener(Protocol):
    """Hears of every event once it is on disk."""

    def changed(self, trial: Trial) -> None:
        """A trial began, has another epoch, or ended."""


class Sweep(Record):
    """A sweep that has ended.

    Attributes:
        key: digest of all that it follows from: params.yaml, code, data, versions.
        score: what the validation score is: accuracy or R².
        section: the section ``sweep``, as it was.
        seed: of everything random.
        commit: of git; None where there is none.
        trials: by number.
        winner: number of the best trial; None: none was trained to a score.
        front: numbers of the trials that none beats in every objective, best score first.
        seconds: wall-clock time, over all processes that it took.
        processes: how often it was begun or gone on with.
    """

    key: str
    score: str
    section: SweepParams
    seed: int
    commit: str | None
    trials: tuple[Trial, ...]
    winner: int | None
    front: tuple[int, ...]
    seconds: float
    processes: int


def best(trials: tuple[Trial, ...]) -> int | None:
    """Number of the trial with the best score; of equals, the first."""
    scored = [trial for trial in trials if trial.score is not None and trial.state != "diverged"]
    return min(scored, key=lambda trial: (-(trial.score or 0.0), trial.number)).number if scored else None


def front(trials: tuple[Trial, ...], objectives: tuple[Objective, ...]) -> tuple[int, ...]:
    """The Pareto front: trials trained to their end that no other beats or equals in everything, and beats in one."""
    points = {
        trial.number: [_lower(trial, name) for name in objectives] for trial in trials if trial.state == "complete"
    }
    kept = [
        number for number, point in points.items() if not any(_dominates(other, point) for other in points.values())
    ]
    return tuple(sorted(kept, key=lambda number: (points[number], number)))


def _lower(trial: Trial, name: Objective) -> float:
    """An objective, turned so that lower is better."""
    value = trial.objective(name)
    if value is None:
        return float("inf")
    return value if name in LOWER_IS_BETTER else -value


def _dominates(one: list[float], other: list[float]) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def summary_values(values: dict[str, Any]) -> str:
    """The values of a trial in a line, for a person."""
    if not values:
        return "params.yaml as it is"
    return ", ".join(f"{place.split('.')[-1]} {_short(value)}" for place, value in values.items())


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", value.get("kind", value)))
    return f"{value:g}" if isinstance(value, float) else str(value)
