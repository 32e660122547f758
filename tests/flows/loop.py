"""A Prefect server and the process of the deployments, for real, on a line of their own."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from components.params import load_params
from flows.ports import free_port
from flows.runs import Run, Runs
from tests.flows.toy import environment, heeding_interrupts
from tests.prefect_server import answers, give_database

EMIT = """
import sys
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
resource = {"prefect.resource.id": "tunesmith.model.digits"}
assert emit_event(event="tunesmith.retrain", resource=resource, payload={"reason": sys.argv[1]}) is not None
EventsWorker.drain_all(timeout=120)
"""


def wait_until(condition: Callable[[], object], what: str, seconds: float = 150) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not happen in time: {what}"
        time.sleep(0.2)


def runs(root: Path) -> list[Run]:
    return Runs(root / ".tunesmith").all()


class Loop:
    """A Prefect server and the process of the deployments; only events start a retraining.

    Args:
        root: of the workspace; what Prefect has kept in it is put aside.
        database: of a server that has seen nothing.
        more: for the environment of the two.
    """

    def __init__(self, root: Path, database: Path, **more: str) -> None:
        self.root, self.address = root, f"http://127.0.0.1:{free_port()}/api"
        port = self.address.rpartition(":")[2].removesuffix("/api")
        home = give_database(database, root / ".tunesmith/prefect")
        self.environment = environment(
            TUNESMITH_PREFECT_API_URL=self.address, TUNESMITH_RETRAIN_CRON="never", TUNESMITH_SWEEP_CRON="never",
            PREFECT_HOME=str(home), PREFECT_RUNNER_POLL_FREQUENCY="1", PREFECT_SERVER_ANALYTICS_ENABLED="false", **more,
        )  # fmt: skip
        self.log = (root / "loop.log").open("wb")
        self.server = self._start("-m", "prefect", "server", "start", "--port", port, "--no-ui")
        wait_until(lambda: answers(self.address) or self._fallen(), "Prefect's server answers")
        self.begin()

    def begin(self) -> None:
        """Starts the process of the deployments."""
        self.deployments = self._start("-m", "flows.deployments")
        wait_until(self._ready, "the deployments are there")

    def _fallen(self) -> bool:
        assert self.server.poll() is None, (self.root / "loop.log").read_text()
        return False

    def _ready(self) -> bool:
        name = load_params(self.root / "params.yaml").name
        assert self.deployments.poll() is None, (self.root / "loop.log").read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.address}/deployments/name/monitor/{name}", timeout=60).is_success
        return False

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with heeding_interrupts():
            return subprocess.Popen(
                [sys.executable, *arguments], cwd=self.root, env=self.environment, stdout=self.log, stderr=self.log
            )

    def emit(self, reason: str) -> None:
        own = self.environment | {"PREFECT_API_URL": self.address}
        subprocess.run([sys.executable, "-c", EMIT, reason], cwd=self.root, env=own, check=True, capture_output=True)

    def stop(self) -> None:
        for process in (self.deployments, self.server):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)  # in this order, as the stack does: who is stopping runs asks the server
        self.log.close()
