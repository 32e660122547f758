"""How the stack is, written by its supervisor for everybody: ``stack/state.json`` of the home folder."""

import contextlib
from pathlib import Path
from typing import Literal

from components.contracts import Record
from components.processes import boot, start_ticks

FILE = Path("stack") / "state.json"
"""In the home folder."""

Condition = Literal["waits", "starts", "healthy", "silent", "restarts", "failed", "stops", "stopped"]
"""``silent``: it lives and does not answer; ``restarts``: it is started again; ``failed``: it is not any more."""


class PartState(Record):
    """How one part is."""

    name: str
    about: str
    condition: Condition = "waits"
    process: int | None = None
    started: int | None = None
    """When the process began, in clock ticks since the machine did."""
    since: str | None = None
    """The same in UTC, ISO 8601."""
    seconds: float | None = None
    """From its beginning to its first answer."""
    restarts: int = 0
    ended: str | None = None
    """How its last life ended, in words that follow its name; None: it is the first."""
    address: str | None = None
    log: str
    fault: str | None = None
    """Why it is not started any more, as a sentence."""


class StackState(Record):
    """How the stack is."""

    process: int
    """Of the supervisor."""
    started: int
    """When that began, in clock ticks since the machine did."""
    boot: str
    """Run of the machine in which that was: after the next, other processes have these numbers."""
    since: str
    """When the supervisor began, in UTC, ISO 8601."""
    phase: Literal["starts", "up", "stops", "ended"]
    fault: str | None = None
    """Why it did not come up, as a sentence."""
    parts: tuple[PartState, ...]
    """In the order of their start."""

    def alive(self) -> bool:
        """Whether the supervisor is there."""
        return self.boot == boot() and start_ticks(self.process) == self.started

    def healthy(self) -> bool:
        """Whether everything is as it should be."""
        return self.phase == "up" and all(part.condition == "healthy" for part in self.parts)


def read_state(home: Path) -> StackState | None:
    """What the last supervisor of a home folder wrote last; None: there was none that this release can read."""
    with contextlib.suppress(OSError, ValueError):
        return StackState.read(home / FILE)
    return None
