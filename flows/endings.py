"""How the last run of each deployment ended, in ``flows/`` of the home folder.

For ``tunesmith status`` and the stack's page, where a person looks who does not ask Prefect.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts import Record
from components.settings import load_settings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow

FOLDER = "flows"
"""In the home folder."""


class Ending(Record):
    """How the last run of one flow ended."""

    flow: str
    state: str
    """Prefect's word: Completed, Failed, Crashed."""
    ended: str
    """UTC, ISO 8601."""
    why: str
    """What failed; empty: nothing did."""
    completed: str | None
    """When a run last got to its end, in UTC, ISO 8601; None: never."""

    def sentence(self) -> str:
        """The same for a person."""
        if not self.why:
            return f"{self.flow} ended well at {_shown(self.ended)}."
        before = f"it last ended well at {_shown(self.completed)}" if self.completed else "it has never ended well"
        return f"{self.flow}: {self.state.lower()} at {_shown(self.ended)}, {before}: {self.why}"


def keep_ending(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a flow: writes down how a run has ended.

    Args:
        flow: whose run it was.
        flow_run: that ended.
        state: it is in.
    """
    write_ending(load_settings().home, flow.name, state)


def write_ending(home: Path, flow: str, state: State[Any]) -> None:
    """Writes down how a run of a flow has ended.

    Args:
        home: folder of the workspace.
        flow: its name.
        state: the run is in.
    """
    folder, now = home / FOLDER, datetime.now(UTC).isoformat(timespec="seconds")
    before = {ending.flow: ending.completed for ending in read_endings(home)}
    completed = now if state.is_completed() else before.get(flow)
    why = "" if state.is_completed() else _why(state)
    folder.mkdir(parents=True, exist_ok=True)
    ending = Ending(flow=flow, state=state.name or state.type.value, ended=now, why=why, completed=completed)
    ending.write(folder / f"{flow}.json")


def _why(state: State[Any]) -> str:
    """What a run failed of: Prefect's message of a crash, and the sentence of everything else."""
    error = state.result(raise_on_failure=False) if state.is_failed() else None
    return str(error or state.message or "it does not say why.")


def read_endings(home: Path) -> tuple[Ending, ...]:
    """How the last run of each flow ended, as far as one has, by name.

    A file of another release is left out: it is a display, and the next ending is written over it.
    """
    found = []
    for file in sorted((home / FOLDER).glob("*.json")):
        with contextlib.suppress(ValueError):
            found.append(Ending.read(file))
    return tuple(found)


def _shown(time: str) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M} UTC"
