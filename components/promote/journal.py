"""The journal of promotions: one JSON object a line, appended and never changed, on disk before the alias moves."""

import getpass
import os
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from components.contracts import Record
from components.errors import RegistryError
from components.registry import Registry

NAME = "journal.jsonl"

Action = Literal["promote", "rollback"]
Step = Literal["intent", "done", "abandoned"]


class Event(Record):
    """One line of the journal: what was meant to happen, or what became of it."""

    move: str
    """Names the move; its intent and its end share it."""
    step: Step
    action: Action
    time: str
    """UTC, ISO 8601."""
    who: str
    name: str
    registry: str | None = None
    """Address; each numbers its versions from 1. Lines of before there was this lack it, and count for every one."""
    before: int | None
    """Champion before the move; None: there was none."""
    after: int
    """Champion after the move."""
    reason: str
    figures: dict[str, Any] | None
    """What the gate measured."""
    fault: str | None = None
    """Why an abandoned move was taken back; lines of before there was this lack it."""

    @classmethod
    def intent(
        cls,
        action: Action,
        registry: Registry,
        before: int | None,
        after: int,
        reason: str,
        figures: dict[str, Any] | None = None,
    ) -> Self:
        """What is about to happen, now, by this user."""
        return cls(
            move=uuid.uuid4().hex,
            step="intent",
            action=action,
            time=_now(),
            who=_who(),
            name=registry.name,
            registry=registry.address,
            before=before,
            after=after,
            reason=reason,
            figures=figures,
        )

    def end(self, step: Step, fault: str | None = None) -> Self:
        """The event that closes this intent."""
        return self.model_copy(update={"step": step, "time": _now(), "who": _who(), "fault": fault})


class Journal:
    """The journal of one home folder; whoever appends to it must hold the lock of the movers."""

    def __init__(self, home: Path) -> None:
        self.path = home / NAME

    def append(self, event: Event) -> None:
        """Adds one line, on disk when this returns; what a killed process left of a line is cut off first."""
        with self.path.open("ab") as file:
            file.truncate(len(self._whole_lines()))
            file.write(event.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def events(self, registry: Registry) -> list[Event]:
        """Every event of a model in a registry, the oldest first.

        A last line without its end is what a killed process left: nothing was done on the strength of it, so it does
        not count.

        Raises:
            RegistryError: a line is damaged.
        """
        events = []
        for number, line in enumerate(self._whole_lines().splitlines(), start=1):
            try:
                events.append(Event.model_validate_json(line))
            except ValidationError as error:
                raise RegistryError(
                    f"{self.path}:{number} is not an event of the journal ({error.errors()[0]['msg']}). Somebody "
                    "changed the file: put the line right, or bring the file back from a copy."
                ) from None
        ours = (None, registry.address)
        return [event for event in events if event.name == registry.name and event.registry in ours]

    def unfinished(self, registry: Registry) -> Event | None:
        """The intent that has no end, because the process that wrote it was killed."""
        events = self.events(registry)
        return events[-1] if events and events[-1].step == "intent" else None

    def _whole_lines(self) -> bytes:
        content = self.path.read_bytes() if self.path.exists() else b""
        return content[: content.rfind(b"\n") + 1]


def champions(events: list[Event]) -> list[int]:
    """The champions that rollbacks go back through, the present one last.

    A champion that came by another way than the journal's is known from the promotion that followed it.
    """
    line: list[int] = []
    for event in (event for event in events if event.step == "done"):
        if event.action == "rollback":
            line.pop()
            continue
        if event.before is not None and line[-1:] != [event.before]:
            line.append(event.before)
        line.append(event.after)
    return line


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
