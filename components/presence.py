"""Which servers run, and what each of their workers serves: written by servers, read by who promotes.

A server of this machine is known from a file in the home folder, one elsewhere from ``TUNESMITH_SERVERS``. What the
workers serve is asked over HTTP: ``GET /model`` of any worker tells it of all.
"""

import socket
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from components.contracts import Record
from components.settings import Settings

FILE = "server.json"


class ServerRecord(Record):
    """A server of this machine: ``serving/<port>/server.json`` in the home folder."""

    model: str
    """Registered model that it follows."""
    address: str
    process: int
    started: int
    """Of the process, in clock ticks since the machine was: a number that was given to another process is told."""

    @classmethod
    def of(cls, model: str, address: str, process: int) -> Self:
        """Describes a process that is there."""
        return cls(model=model, address=address, process=process, started=_started(process) or 0)

    def alive(self) -> bool:
        """Whether the process is there."""
        return _started(self.process) == self.started


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


class Workers(Record):
    """The workers of a server, as ``GET /model`` gives them."""

    expected: int
    """So many there are to be."""
    states: tuple[WorkerState, ...]
    """Of those that live and have said something."""


def known_servers(settings: Settings, model: str) -> list[str]:
    """Base addresses of the servers that follow a model: those of this machine that live, and those of the settings.

    A name that has several addresses stands for a server at each, as of the replicas behind a headless service.
    """
    found = {record.address for record in _of_this_machine(settings) if record.model == model and record.alive()}
    for address in settings.server_addresses:
        found.update(_each(address))
    return sorted(found)


def _of_this_machine(settings: Settings) -> list[ServerRecord]:
    records = []
    for file in (settings.home / "serving").glob(f"*/{FILE}"):
        try:
            records.append(ServerRecord.read(file))
        except (OSError, ValueError):  # a server that just ends, or one of another release
            continue
    return records


def _each(address: str) -> list[str]:
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname is None:  # a certificate is for the name
        return [address]
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return [address]  # it will not answer, and that is told then
    hosts = {str(each[4][0]) for each in found if each[0] == socket.AF_INET} or {parts.hostname}
    return [f"http://{host}:{parts.port or 80}{parts.path.rstrip('/')}" for host in hosts]


def _started(process: int) -> int | None:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
