"""Which servers run, and what each of their workers serves: written by servers, read by who promotes.

A server of this machine has a folder in the home folder, with a file that says what it is, and one for each worker. One
elsewhere is known from ``TUNESMITH_SERVERS``, and is asked over HTTP: ``GET /model`` of any worker tells of all.
"""

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from components.contracts import Record
from components.processes import start_ticks
from components.settings import Settings

FILE = "server.json"
WORKERS = "workers"
"""Folder of a server's workers."""


class ServerRecord(Record):
    """A server of this machine: ``serving/<address and port>/server.json`` in the home folder."""

    model: str
    """Registered model that it follows."""
    address: str
    process: int
    workers: int
    """So many there are to be."""
    started: int
    """Of the process, in clock ticks since the machine was: a number that was given to another process is told."""

    @classmethod
    def of(cls, model: str, address: str, process: int, workers: int) -> Self:
        """Describes a process that is there."""
        return cls(model=model, address=address, process=process, workers=workers, started=start_ticks(process) or 0)

    def alive(self) -> bool:
        """Whether the process is there."""
        return start_ticks(self.process) == self.started


class WorkerState(Record):
    """What one worker of a server serves."""

    process: int
    version: int | None
    """That answers; None: none does. No request is answered any more by the version that was before it."""
    digest: str | None
    """Of its package."""
    looks: int
    """At the registry, so far."""
    error: str | None
    """What went wrong at the last one, as a sentence."""
    rejected: int | None
    """Version that carries the alias and was refused."""
    rejection: str | None
    """Why, as a sentence."""


class Workers(Record):
    """The workers of a server, as ``GET /model`` gives them."""

    expected: int
    """So many there are to be."""
    states: tuple[WorkerState, ...]
    """Of those that live and have said something."""


@dataclass(frozen=True)
class KnownServer:
    """A server that follows a model.

    Attributes:
        address: its base address.
        folder: of a server of this machine; None: it is elsewhere.
        record: of a server of this machine; None: it is elsewhere.
    """

    address: str
    folder: Path | None = None
    record: ServerRecord | None = None

    def alive(self) -> bool:
        """Whether it is to be waited for; of one elsewhere nobody knows that it has ended."""
        return self.record is None or self.record.alive()

    def workers(self) -> Workers | None:
        """What its workers have said last, if it is of this machine."""
        if self.folder is None or self.record is None:
            return None
        return read_workers(self.folder / WORKERS, self.record.workers)


def file_of_this_worker(folder: Path) -> Path:
    """Where this process says what it serves.

    Its start is in the name, too: what a dead worker has said is not taken for another process of the same number.

    Args:
        folder: of the workers.
    """
    process = os.getpid()
    return folder / f"{process}-{start_ticks(process)}.json"


def read_workers(folder: Path, expected: int) -> Workers:
    """What every worker that lives has said last; files of dead ones are deleted.

    Args:
        folder: of the workers.
        expected: so many there are to be.
    """
    states = []
    for file in sorted(folder.glob("*.json")):
        process, _, started = file.stem.partition("-")
        if str(start_ticks(int(process))) != started:
            file.unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError, ValueError):  # it ends at this moment
            states.append(WorkerState.read(file))
    return Workers(expected=expected, states=tuple(states))


def known_servers(settings: Settings, model: str) -> list[KnownServer]:
    """The servers that follow a model, by address: those of this machine that live, and those of the settings.

    A name that has several addresses stands for a server at each, as of the replicas behind a headless service.
    """
    found = {address: KnownServer(address) for name in settings.server_addresses for address in _each(name)}
    for file in (settings.home / "serving").glob(f"*/{FILE}"):
        with contextlib.suppress(OSError, ValueError):  # a server that just ends, or one of another release
            record = ServerRecord.read(file)
            if record.model == model and record.alive():
                found[record.address] = KnownServer(record.address, file.parent, record)
    return [found[address] for address in sorted(found)]


def _each(address: str) -> list[str]:
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname is None:  # a certificate is for the name
        return [address]
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return [address]  # it will not answer, and that is told then
    hosts = {str(each[4][0]) for each in found if each[0] == socket.AF_INET} or {str(each[4][0]) for each in found}
    return [f"http://{_in_url(host)}:{parts.port or 80}{parts.path.rstrip('/')}" for host in hosts]


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
