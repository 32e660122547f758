"""Prefect's server: runs, schedules and what is to happen when something happens, on PostgreSQL."""

import os
import sys

from flows.orchestrator import VACUUM
from flows.ports import LOOPBACK
from flows.stack.health import answers
from flows.stack.part import Part, Port
from flows.stack.parts import postgres
from flows.stack.site import USER, Site, reached

NAME = "prefect"


def part(site: Site) -> Part:
    """The server."""
    host, port = site.stack.host, site.stack.prefect_port
    address = f"http://{reached(host)}:{port}"
    return Part(
        name=NAME,
        about="runs, schedules, events",
        command=(sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)),
        healthy=answers(f"{address}/api/health"),
        address=address,
        needs=(postgres.NAME,),
        environment={
            "PGPASSFILE": str(postgres.passfile(site, NAME)),
            "PREFECT_API_DATABASE_CONNECTION_URL": postgres.connection(site, NAME, "asyncpg"),
            "PREFECT_API_URL": None,
            "PREFECT_HOME": str(site.home / "prefect"),
            "PREFECT_SERVER_API_AUTH_STRING": f"{USER}:{site.password}" if site.asks_password else None,
            **{name: os.environ.get(name, value) for name, value in _unless_set(address, port).items()},
        },
        ports=(Port(host, port, "TUNESMITH_STACK_PREFECT_PORT"),),
        prepare=lambda: (site.home / "prefect").mkdir(parents=True, exist_ok=True),
    )


def _unless_set(address: str, port: int) -> dict[str, str]:
    """What Prefect is told unless the environment says otherwise.

    What a run holds of a concurrency limit is kept in its home: by default a server that is started again has forgotten
    it, and the run is cancelled when it asks for more time. Only its own pages may ask it: by default every page of the
    web may that a browser on this machine shows.
    """
    return {
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}:{port}" for name in (LOOPBACK, "localhost")),
        **VACUUM,
        "PREFECT_UI_API_URL": f"{address}/api",
    }
