"""The process that runs the flows: retrain, sweep and the monitor, at their times and when something happens."""

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.errors import WorkspaceBusy
from components.params import load_params
from flows.deployments import alone
from flows.stack.health import answer_of
from flows.stack.part import Part, Port
from flows.stack.parts import mlflow, prefect
from flows.stack.site import Site

NAME = "deployments"
SILENCE = timedelta(seconds=60)
"""It asks Prefect every ten seconds whether something is to be run."""


def part(site: Site) -> Part:
    """The process; it is well while it asks Prefect for work."""
    api = site.places().get("prefect_api_url") or site.settings.prefect_api_url or ""
    elsewhere = prefect.NAME not in site.names
    asked = _Asked(f"{api.rstrip('/')}/deployments/name/retrain/{load_params().name}", _login(site), elsewhere)
    return Part(
        name=NAME,
        about="runs the flows: retrain, sweep, monitor",
        command=(sys.executable, "-m", "flows.deployments"),
        healthy=asked.lately,
        needs=(prefect.NAME, mlflow.NAME),
        environment=site.variables()
        | {"TUNESMITH_FLOWS_PORT": str(site.stack.flows_port)}
        | {"TMPDIR": str(site.scratch)},  # Prefect's own would be every user's
        ports=(Port(site.settings.flows_host, site.stack.flows_port, "TUNESMITH_STACK_FLOWS_PORT"),),
        missing=lambda: _taken(site),
        prepare=lambda: _prepare(site, asked),
    )


def _taken(site: Site) -> list[str]:
    try:
        with alone(site.settings):
            return []
    except WorkspaceBusy:
        return [f"the flows of {Path.cwd()} are run by another 'python -m flows.deployments' already: stop that one"]


def _prepare(site: Site, asked: "_Asked") -> None:
    site.make_scratch()
    asked.begin()


def _login(site: Site) -> tuple[str, str] | None:
    """User and password of the Prefect server, be it the stack's or another one."""
    elsewhere = site.settings.prefect_auth
    auth = site.places().get("prefect_auth") or (elsewhere and elsewhere.get_secret_value())
    if not auth:
        return None
    user, _, password = auth.partition(":")
    return user, password


@dataclass
class _Asked:
    """Whether the process has asked for work: Prefect knows a deployment also when nobody runs it any more.

    A server that is elsewhere may be away for a while; that is no fault of the process, which goes on asking.
    """

    address: str
    login: tuple[str, str] | None
    elsewhere: bool
    well: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def begin(self) -> None:
        """The process starts now; what was asked before counts no more."""
        self.began, self.well = datetime.now(UTC), False

    def lately(self) -> bool:
        """Whether it has."""
        if (answer := answer_of(self.address, self.login)) is None:
            return self.elsewhere and self.well
        try:
            polled = datetime.fromisoformat(answer.json()["last_polled"])
        except (ValueError, TypeError, KeyError):  # it never has, or it is not Prefect that answers
            return False
        self.well = polled > max(self.began, datetime.now(UTC) - SILENCE)
        return self.well
