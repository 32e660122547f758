"""What a person sees of the stack: a line for each thing that happens to a part, and a table of all."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from flows.report import columns
from flows.stack.process import memory
from flows.stack.state import Condition, PartState, StackState

STYLES = {"healthy": "green", "silent": "yellow", "restarts": "yellow", "failed": "bold red"}
EVENTS: tuple[Condition, ...] = ("healthy", "silent", "restarts", "failed", "stopped")


class Progress:
    """Prints a line when something has happened to a part, and on a terminal what is waited for.

    Args:
        console: to print on.
        events: conditions that are told when a part comes into them.
        stamped: whether a line begins with the time, as in a log.
    """

    def __init__(self, console: Console, events: tuple[Condition, ...] = EVENTS, *, stamped: bool = False) -> None:
        self._console, self._events, self._stamped = console, events, stamped
        self._told: dict[str, tuple[str, int]] = {}
        self._status: Status | None = None

    def saw(self, state: StackState) -> None:
        """Takes in how everything is."""
        for part in state.parts if state.phase in ("starts", "up") else reversed(state.parts):
            now = (part.condition, part.restarts)
            if part.condition in self._events and self._told.get(part.name) != now:
                stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} " if self._stamped else ""
                self._console.print(Text(stamp) + _line(part), soft_wrap=True)
                self._told[part.name] = now
        self._wait_for([part.name for part in state.parts if part.condition in ("starts", "stops")], state.phase)

    def _wait_for(self, names: list[str], phase: str) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
        if names and phase in ("starts", "stops"):
            self._status = self._console.status(f"{phase}: {', '.join(names)}")
            self._status.start()


def _line(part: PartState) -> Text:
    after = f" after {part.seconds:.1f} s" if part.condition == "healthy" and part.seconds is not None else ""
    word = Text(f"{part.condition}{after}", style=STYLES.get(part.condition, ""))
    word.pad_right(22 - len(word))
    more = {"healthy": part.address, "restarts": part.ended, "failed": part.fault}.get(part.condition)
    return Text.assemble(f"{part.name:<12} ", word, f" {more or ''}")


def as_json(state: StackState) -> dict[str, Any]:
    """How everything is, as plain values; ``memory`` in bytes."""
    parts = [
        part.model_dump(mode="json", exclude={"started"}) | {"memory": memory(part.process) if part.process else 0}
        for part in state.parts
    ]
    return state.model_dump(mode="json", exclude={"started"}) | {"parts": parts}


def print_stack(state: StackState, console: Console) -> None:
    """The same as a table."""
    table = columns("part", "is", "since (UTC)", "process", "restarts", "memory", "address")
    for part, more in zip(state.parts, as_json(state)["parts"], strict=True):
        table.add_row(
            part.name,
            Text(part.condition, style=STYLES.get(part.condition, "")),
            (part.since or "")[:19],
            str(part.process or ""),
            str(part.restarts),
            f"{more['memory'] / 2**20:,.0f} MB",
            part.address or "",
        )
    console.print(table)
    for part in state.parts:
        if part.ended and part.condition != "failed":
            console.print(Text(f"{part.name} was started again: before that, it {part.ended}."), soft_wrap=True)
    for fault in [state.fault, *(part.fault for part in state.parts)]:
        if fault:
            console.print(Text(fault), soft_wrap=True)
