"""Servers that go away in the middle of a run: PostgreSQL is restarted, MLflow is down for a minute."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.reliability.finding import Finding
from benchmarks.reliability.small_line import Line, Undisturbed, small_line, undisturbed, wait_until
from flows.ports import LOOPBACK, free_port

DOWN_SECONDS = 60.0
WITHOUT = "deployments,ray,service,prometheus,page"


class Mlflow:
    """An MLflow server on SQLite that nobody watches over."""

    def __init__(self, folder: Path) -> None:
        self.address = f"http://{LOOPBACK}:{free_port()}"
        self._folder = folder

    def start(self) -> None:
        """Returns when it answers."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        store = ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        place = ["--artifacts-destination", str(self._folder / "artifacts"), "--host", host, "--port", port]
        with (self._folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *store, *place, "--workers", "1"],
                env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert wait_until(self._answers, 180), (self._folder / "mlflow.log").read_text()

    def kill(self) -> None:
        """Ends it with all that it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/health").is_success
        return False


def mlflow_down(stage: str, reference: Undisturbed) -> Finding:
    """Takes MLflow away for a minute when a stage begins."""
    with tempfile.TemporaryDirectory() as folder:
        server = Mlflow(Path(folder))
        server.start()
        try:
            with small_line(variables={"TUNESMITH_TRACKING_URI": server.address}) as line:
                started = line.start()
                there = started.until_running(stage)
                server.kill()
                time.sleep(DOWN_SECONDS)
                server.start()
                status = started.wait()
                return _judged(
                    f"MLflow is down for {DOWN_SECONDS:.0f} s from the start of {stage} on.",
                    line,
                    reference,
                    status if there else -1,
                    started.failure(),
                )
        finally:
            server.kill()


def postgres_restarted(stage: str, reference: Undisturbed) -> Finding:
    """Restarts the PostgreSQL below MLflow and Prefect when a stage begins."""
    names = ("POSTGRES", "MLFLOW", "PREFECT", "RAY", "PROMETHEUS", "PAGE")
    ports = {f"TUNESMITH_STACK_{name}_PORT": str(free_port()) for name in names}
    with small_line(variables=ports) as line, _stack(line):
        started = line.start()
        there = started.until_running(stage)
        os.kill(_process_of(line, "postgres"), signal.SIGINT)  # its fast shutdown; the stack starts it again
        status = started.wait()
        line.variables["TUNESMITH_TRACKING_URI"] = f"http://{LOOPBACK}:{ports['TUNESMITH_STACK_MLFLOW_PORT']}"
        promise = f"PostgreSQL is restarted when {stage} begins."
        return _judged(promise, line, reference, status if there else -1, started.failure())


def _judged(promise: str, line: Line, reference: Undisturbed, status: int, said: str) -> Finding:
    """Whether the run, or the next one, made what it should."""
    again = line.run()
    with tempfile.TemporaryDirectory() as folder:
        failed = again.process.returncode != 0
        differing = [again.failure()] if failed else reference.differing(line, Path(folder) / "package")
    ended = "The run went on to its end" if status == 0 else f"The run ended with exit status {status}"
    return Finding(
        promise=promise,
        kept=not differing,
        figures=f"{ended}; the next one {'is right' if not differing else 'is not right'}.",
        seen=(said, *differing),
    )


@contextlib.contextmanager
def _stack(line: Line) -> Iterator[None]:
    up = line.run("up", "--without", WITHOUT)
    assert up.process.returncode == 0, "\n".join(up.said)
    try:
        yield
    finally:
        line.run("down")


def _process_of(line: Line, part: str) -> int:
    shown = json.loads("\n".join(line.run("ps", "--json").said))
    return next(int(one["process"]) for one in shown["parts"] if one["name"] == part)


def main() -> list[Finding]:
    """Runs the experiments."""
    with undisturbed() as reference:
        return [
            *(mlflow_down(stage, reference) for stage in ("train", "register")),
            *(postgres_restarted(stage, reference) for stage in ("train", "register")),
        ]
