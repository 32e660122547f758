"""The journal of runs: what each run did, stage by stage, in ``runs.jsonl`` of the home folder."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self
from uuid import uuid4

from pydantic import ValidationError

from components.contracts import Record
from components.params import Params
from components.settings import Settings

LOCK = Path("dvc.lock")

StageState = Literal["ran", "restored", "unchanged", "failed", "not reached"]
Outcome = Literal["promoted", "refused", "held", "failed", "interrupted"]


class StageResult(Record):
    """How a stage ended."""

    stage: str
    state: StageState
    """``restored``: DVC had kept the outputs of an earlier run with the same inputs, and put them in place."""
    seconds: float
    summary: str
    """Its last words; of a failed stage, why it failed."""

    @classmethod
    def idle(cls, stage: str, state: Literal["unchanged", "not reached"]) -> Self:
        """The result of a stage that had nothing to do, or that the line did not come to."""
        return cls(stage=stage, state=state, seconds=0, summary="")


class Run(Record):
    """One run of the line."""

    id: str
    process: int
    started: str
    """UTC, ISO 8601."""
    ended: str | None = None
    """None: it is under way, or was killed."""
    outcome: Outcome | None = None
    """``held``: the gate let the challenger through, but nothing was to be promoted."""
    stages: tuple[StageResult, ...] = ()
    key: str | None = None
    """Of what was decided about (see :func:`decision_key`); None: it did not get that far."""
    version: int | None = None
    """The registered version."""
    sentence: str = ""
    """What was decided about it, or why the run failed."""
    reason: str = ""
    """Why it was started; empty: somebody started it, or a schedule did."""

    def deciding_as(self, other: Self) -> Self:
        """The same run, with what another one decided."""
        decision = {"outcome", "key", "version", "sentence"}
        return self.model_copy(update={name: getattr(other, name) for name in decision})

    def failed(self, error: BaseException) -> Self:
        """The same run, ended by an error or by the person who started it."""
        if isinstance(error, Exception):
            return self.model_copy(update={"outcome": "failed", "sentence": str(error)})
        return self.model_copy(update={"outcome": "interrupted", "sentence": "It was interrupted."})


class Runs:
    """The journal of one home folder: a line when a run begins, another when it ends."""

    def __init__(self, home: Path) -> None:
        self.path = home / "runs.jsonl"

    def begin(self, reason: str = "") -> Run:
        """Enters a run that begins now, in this process; ``reason``: why."""
        run = Run(id=uuid4().hex, process=os.getpid(), started=_now(), reason=reason)
        self._append(run)
        return run

    def end(self, run: Run, stages: tuple[StageResult, ...]) -> Run:
        """Enters that a run has ended, and how its stages did."""
        ended = run.model_copy(update={"ended": _now(), "stages": stages})
        self._append(ended)
        return ended

    def _append(self, run: Run) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(max(0, file.tell() - 1))
            begun = file.read(1) not in (b"", b"\n")  # a killed process left a line without its end
            file.write((b"\n" if begun else b"") + run.model_dump_json().encode() + b"\n")

    def all(self) -> list[Run]:
        """Every run as it was last heard of, the oldest first.

        A line that a killed process left unfinished, or that has another form, is left out: what rests on this journal
        is a display, and that a settled line is not judged again.
        """
        runs: dict[str, Run] = {}
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            try:
                run = Run.model_validate_json(line)
            except ValidationError:
                continue
            runs[run.id] = run
        return list(runs.values())

    def last(self) -> Run | None:
        """The run that began last."""
        return next(reversed(self.all()), None)

    def settled(self, key: str, *, promoting: bool) -> Run | None:
        """The last run that decided about this state of the line for good.

        Args:
            key: the state (see :func:`decision_key`).
            promoting: whether a challenger that was held back would now be promoted.
        """
        final = ("promoted", "refused") if promoting else ("promoted", "refused", "held")
        return next((run for run in reversed(self.all()) if run.key == key and run.outcome in final), None)


def decision_key(params: Params, settings: Settings) -> str | None:
    """The digest of all that the decision about a challenger rests on; None: the line has never run.

    That is dvc.lock, the section ``gate``, which no stage reads, and where the registry is. Which version is champion
    is no part of it: a champion that a person has brought back must not be replaced by the same challenger again.
    """
    if not LOCK.exists():
        return None
    rest = "\n".join([params.name, params.gate.model_dump_json(), settings.tracking_address])
    return hashlib.sha256(LOCK.read_bytes() + rest.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
