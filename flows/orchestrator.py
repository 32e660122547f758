"""The Prefect server that a run talks to: the one of the settings, or one of its own that dies with it.

Prefect would start such a server by itself, but only once it is imported, and that server would outlive a run that is
killed. This one starts while the run is still importing Prefect. Both keep their state in the home folder, where
``tunesmith ui prefect`` shows it.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx

from components.errors import SettingsError, StageFailed
from components.settings import Settings
from components.stage import die_with_parent
from flows.ports import LOOPBACK, free_port

PATIENCE_SECONDS = 180.0
DRAIN_SECONDS = 10.0
"""How long the last log lines and events may take to reach the server."""
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
"""Prefect keeps the log of every run; the terminal shows the run itself."""
VACUUM = {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs"}
"""Runs that ended 90 days ago go: the monitor alone leaves hundreds a day."""


@contextlib.contextmanager
def prefect_server(settings: Settings, *, scheduling: bool = False) -> Iterator[None]:
    """Gives this process a Prefect API to talk to; to be entered before Prefect is imported.

    Args:
        settings: of them the address of a server; without one, the server is one of its own.
        scheduling: whether that one also plans the runs of schedules.

    Raises:
        SettingsError: the server of the settings does not answer, lets nobody in, or is not Prefect's.
        StageFailed: the server of its own does not start.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if settings.prefect_api_url:
        _require_entry(settings.prefect_api_url, f"TUNESMITH_PREFECT_API_URL={settings.shown_prefect_address}")
        yield
        return
    log = settings.home / "logs" / "prefect.log"
    for folder in (log.parent, settings.home / "prefect"):
        folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "flows.orchestrator", str(port), str(os.getpid()), str(int(scheduling))]
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        with _connected(server, f"http://{LOOPBACK}:{port}/api", log):
            yield
    finally:
        server.terminate()
        server.wait()


def _require_entry(address: str, shown: str) -> None:
    """Asks what wants a login, the way that Prefect itself will; its health is told to everybody."""
    if not _answers(address):
        raise SettingsError(
            f"Nothing answers at {shown}. Start the Prefect server there, or take the setting away to let Prefect run "
            "in this process."
        )
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except (httpx.HTTPError, ValueError) as error:
        status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else HTTPStatus.OK
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise SettingsError(
                f"The Prefect server at {shown} does not let this machine in (HTTP {status}). Set "
                "TUNESMITH_PREFECT_AUTH to user:password of that server."
            ) from None
        raise SettingsError(
            f"No Prefect API answers at {shown} (HTTP {status}). Its address ends in /api; look also whether it is "
            "Prefect's server that runs there."
        ) from None


@contextlib.contextmanager
def _connected(server: subprocess.Popen[bytes], address: str, log: Path) -> Iterator[None]:
    """Imports Prefect while the server starts, and lets it talk to that server."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, temporary_settings

    until = time.monotonic() + PATIENCE_SECONDS
    while not _answers(address):
        if server.poll() is not None or time.monotonic() > until:
            raise StageFailed(f"Prefect's server in the home folder did not start; {log} says why.")
        time.sleep(0.05)
    with temporary_settings({PREFECT_API_URL: address}):
        _close_killed_runs()
        try:
            yield
        finally:
            APILogWorker.drain_all(timeout=DRAIN_SECONDS)
            EventsWorker.drain_all(timeout=DRAIN_SECONDS)


def _answers(address: str) -> bool:
    try:
        answer = httpx.get(f"{address.rstrip('/')}/health", timeout=5)
    except (httpx.TransportError, httpx.InvalidURL):
        return False
    return answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR


def _close_killed_runs() -> None:
    """Gives the runs of this home folder that were killed an end; whoever calls this holds the workspace."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
    from prefect.states import Crashed

    with get_client(sync_client=True) as client:
        killed = client.read_flow_runs(
            flow_filter=FlowFilter.model_validate({"name": {"any_": ["retrain"]}}),
            flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING"]}}}),
        )
        for run in killed:
            client.set_flow_run_state(run.id, Crashed(message="The run was killed."), force=True)


def main() -> None:
    """Serves Prefect's API on loopback until the run that asked for it is gone."""
    port, parent, scheduling = map(int, sys.argv[1:])
    die_with_parent()
    if os.getppid() != parent:  # it died before it could be followed
        sys.exit(1)
    if scheduling:  # the whole server, with what plans runs, takes this process's place
        os.environ.update(VACUUM | os.environ)
        address = ["--host", LOOPBACK, "--port", str(port), "--no-ui"]
        os.execv(sys.executable, [sys.executable, "-m", "prefect", "server", "start", *address])  # noqa: S606
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(create_app(ephemeral=True, final=True), host=LOOPBACK, port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    main()
