"""Waiting until every known server serves a version, or one of them cannot."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import SecretStr

from components.presence import KnownServer, Workers, WorkerState, known_servers
from components.settings import Settings

ASK_SECONDS = 0.2
FRESH_LOOKS = 2
"""A look that had begun before the alias moved may end after it; the one after that has seen where it is."""
BACK_SECONDS = 10.0
"""How long servers that had followed are waited for when the alias goes back."""


class NotServed(Exception):
    """A server does not serve the version; says which, and why."""


@dataclass
class Server:
    """One server that is waited for.

    Attributes:
        known: which one it is.
        key: for its API, if it is on another machine.
        fault: why it does not serve the version yet.
        first: what each worker said when it was asked first, by process.
    """

    known: KnownServer
    key: SecretStr | None
    fault: str = "it has not answered yet"
    first: dict[int, WorkerState] = field(default_factory=dict)

    def serves(self, version: int, digest: str) -> bool:
        """Asks it once whether all of its workers serve a version.

        Raises:
            NotServed: a worker has looked at the version, and refuses it.
        """
        try:
            workers = self.known.workers() or self._asked()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
            self.fault = f"it cannot be asked: {type(error).__name__}: {error}".rstrip(": ")
            return False
        waiting = [state for state in workers.states if not self._acknowledges(state, version, digest)]
        self.fault = _reason(workers, waiting)
        return not self.fault

    def _asked(self) -> Workers:
        headers = {"Authorization": f"Bearer {self.key.get_secret_value()}"} if self.key else {}
        answer: Any = httpx.get(f"{self.known.address}/model", headers=headers, timeout=5, trust_env=False)
        return Workers.model_validate(answer.raise_for_status().json()["workers"])

    def _acknowledges(self, state: WorkerState, version: int, digest: str) -> bool:
        """Whether a worker serves the version because it saw the alias there.

        What it said when it was asked first may be of before the alias moved, though it names this version.

        Raises:
            NotServed: it refuses the version.
        """
        first = self.first.setdefault(state.process, state)
        fresh = state.looks - first.looks >= FRESH_LOOKS
        if state.rejected == version and fresh:
            raise NotServed(f"{self.known.address} cannot serve it: {state.rejection}")
        return (state.version, state.digest) == (version, digest) and (first.version != version or fresh)


def await_version(
    settings: Settings, model: str, version: int, digest: str, tell: Callable[[str], None]
) -> tuple[str, ...]:
    """Returns once every known server serves a version, and answers no request from another one any more.

    Args:
        settings: which servers are known, and how long each may take.
        model: its registered name.
        version: the alias points at it.
        digest: of its package.
        tell: is told what is waited for.

    Returns:
        The addresses of the servers.

    Raises:
        NotServed: one cannot, or has not in time.
    """
    servers = [Server(known, settings.server_key) for known in known_servers(settings, model)]
    if servers:
        tell(f"Waiting for {_counted(len(servers))} to serve version {version}: {_listed(servers)}")
    left, until = servers, time.monotonic() + settings.promotion_seconds
    while left := [server for server in left if not server.serves(version, digest)]:
        left = [server for server in left if server.known.alive()]
        if left and time.monotonic() > until:
            faults = "; ".join(f"{server.known.address}: {server.fault}" for server in left)
            raise NotServed(f"after {settings.promotion_seconds:g} s it is not served by {faults}")
        time.sleep(ASK_SECONDS)
    return tuple(server.known.address for server in servers if server.known.alive())


def _reason(workers: Workers, waiting: list[WorkerState]) -> str:
    """Why a server does not serve the version; empty: it does."""
    if waiting:
        at = "no version" if waiting[0].version is None else f"version {waiting[0].version}"
        why = f" ({waiting[0].error})" if waiting[0].error else ""
        return f"{len(waiting)} of {workers.expected} workers serve {at}{why}"
    if len(workers.states) < workers.expected:
        return f"{workers.expected - len(workers.states)} of {workers.expected} workers have not said what they serve"
    return ""


def _counted(count: int) -> str:
    return "1 server" if count == 1 else f"{count} servers"


def _listed(servers: list[Server]) -> str:
    return ", ".join(server.known.address for server in servers)
