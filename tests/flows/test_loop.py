"""The deployments of one process: what happens by an event, and what becomes of a run that is killed.

The stages of the line are trivial, so a run that gets through them ends at register, which says so.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from components.errors import SettingsError
from components.settings import Settings
from flows.ports import free_port
from flows.runs import Run, Runs
from tests.flows.toy import begun, environment, heeding_interrupts, make_line

EMIT = """
import sys
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
resource = {"prefect.resource.id": "tunesmith.model.digits"}
assert emit_event(event="tunesmith.retrain", resource=resource, payload={"reason": sys.argv[1]}) is not None
EventsWorker.drain_all(timeout=20)
"""


def wait_until(condition: Callable[[], object], what: str, seconds: float = 150) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not happen in time: {what}"
        time.sleep(0.2)


def runs(root: Path) -> list[Run]:
    return Runs(root / ".tunesmith").all()


class Loop:
    """A Prefect server and the process of the deployments, on one toy line."""

    def __init__(self, root: Path) -> None:
        self.root, self.address = root, f"http://127.0.0.1:{free_port()}/api"
        port = self.address.rpartition(":")[2].removesuffix("/api")
        self.environment = environment(
            TUNESMITH_PREFECT_API_URL=self.address, TUNESMITH_RETRAIN_CRON="never", TUNESMITH_SWEEP_CRON="never",
            PREFECT_HOME=str(root / "prefect"), PREFECT_SERVER_ANALYTICS_ENABLED="false",
        )  # fmt: skip
        self.log = (root / "loop.log").open("wb")
        self.server = self._start("-m", "prefect", "server", "start", "--port", port, "--no-ui")
        wait_until(self._answers, "Prefect's server answers")
        self.deployments = self._start("-m", "flows.deployments")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/health", timeout=5).is_success
        except httpx.TransportError:
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
            process.send_signal(signal.SIGTERM)
        for process in (self.deployments, self.server):
            process.wait(timeout=60)
        self.log.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(make_line(tmp_path / "line"))
    yield made
    made.stop()


def ready(loop: Loop) -> bool:
    """Whether the deployments are known to the server."""
    return httpx.get(f"{loop.address}/deployments/name/monitor/monitor").is_success


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_event_starts_a_retraining_and_a_killed_one_is_begun_again(loop: Loop) -> None:
    (loop.root / "model.wait").touch()
    wait_until(lambda: ready(loop), "the deployments are there")
    loop.emit("the light has changed")
    wait_until(lambda: "model" in begun(loop.root), "a run has begun")
    (run,) = runs(loop.root)
    assert run.reason == "the light has changed"
    assert (run.outcome, run.ended) == (None, None)
    os.kill(run.process, signal.SIGKILL)
    wait_until(lambda: len(runs(loop.root)) == 2, "it is begun again")
    (loop.root / "model.wait").unlink()
    wait_until(lambda: runs(loop.root)[1].ended is not None, "it ends")
    again = runs(loop.root)[1]
    assert again.reason == run.reason
    states = {stage.stage: stage.state for stage in again.stages}
    assert (states["source"], states["model"], states["score"]) == ("unchanged", "ran", "ran"), "what had ended is kept"


def test_times_that_cannot_be_read_are_a_sentence() -> None:
    from flows.deployed import deployed, schedule

    assert schedule("SWEEP", "never") == {}
    with pytest.raises(SettingsError, match=r"TUNESMITH_RETRAIN_CRON='daily at three' is no schedule"):
        deployed(Settings(retrain_cron="daily at three"), "digits")
