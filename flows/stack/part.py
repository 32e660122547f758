"""A part of the stack as data, and the order in which parts start."""

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def _nothing() -> None:
    """What most parts do before they start."""


def _nothing_missing() -> list[str]:
    return []


@dataclass(frozen=True)
class Port:
    """A port that a part binds.

    Attributes:
        host: address that it binds.
        number: of the port.
        setting: by which another one is chosen.
    """

    host: str
    number: int
    setting: str


@dataclass(frozen=True)
class Part:
    """A program that the stack starts, and what is known about it.

    Attributes:
        name: one word; its log is ``logs/<name>.log`` of the home folder.
        about: what it is, in a few words.
        command: program and arguments; never a secret, for anybody can list them.
        healthy: asks whether it does its work; called in a thread, may take seconds, and never raises.
        address: where it answers, for a person; None: nobody asks it.
        needs: parts that must be healthy before it starts, where they are started at all.
        environment: what it is started with in addition; None takes a variable away.
        ports: that it binds.
        missing: gives a sentence for each thing that it lacks on this machine; called before anything starts.
        prepare: called before each of its starts; what it raises ends the start.
        stop: signal that ends it in good order.
        user: that it runs as; None: the same as the supervisor.
        folder: working directory; None: the root of the repository.
    """

    name: str
    about: str
    command: tuple[str, ...]
    healthy: Callable[[], bool]
    address: str | None = None
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    missing: Callable[[], list[str]] = _nothing_missing
    prepare: Callable[[], None] = _nothing
    stop: signal.Signals = signal.SIGTERM
    user: str | None = None
    folder: Path | None = None


def in_order(parts: Iterable[Part]) -> list[Part]:
    """The same parts, each behind those that it needs; otherwise in the order that they have."""
    known = {part.name: part for part in parts}
    ordered: dict[str, Part] = {}

    def place(part: Part) -> None:
        for need in part.needs:
            if need in known:
                place(known[need])
        ordered.setdefault(part.name, part)

    for part in known.values():
        place(part)
    return list(ordered.values())
