"""What the commands make of addresses: secrets are not shown, faults are sentences, nothing is left running."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from components.settings import Settings
from flows.ports import free_port
from flows.status import _places
from tests.flows.toy import environment, start, tunesmith


def wait_until(condition: Callable[[], object], what: str, seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)


def test_status_shows_no_password(tmp_path: Path) -> None:
    secretive = Settings(
        home=tmp_path,
        tracking_uri="postgresql://me:secret@db/mlflow",
        prefect_api_url="http://me:secret@flows:4200/api",
    )
    places = _places(secretive)
    assert places["tracking and registry"] == "postgresql://db/mlflow"
    assert places["orchestration"] == "http://flows:4200/api"
    assert "secret" not in str(places)


@pytest.mark.parametrize(
    ("page", "variable", "address", "shown"),
    [
        ("mlflow", "TUNESMITH_TRACKING_URI", "https://me:secret@tracking:5000", ": https://tracking:5000\n"),
        ("prefect", "TUNESMITH_PREFECT_API_URL", "http://me:secret@flows:4200/api", ": http://flows:4200\n"),
    ],
)
def test_the_pages_of_servers_are_told_without_password(
    new_line: Path, page: str, variable: str, address: str, shown: str
) -> None:
    told = tunesmith(new_line, "ui", page, **{variable: address})
    assert told.returncode == 0
    assert told.stdout.endswith(shown)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_address_of_the_store_is_not_in_the_process_list(new_line: Path) -> None:
    port, store = free_port(), new_line / "secret-store.db"
    server = start(new_line, "ui", "mlflow", "--port", str(port), TUNESMITH_TRACKING_URI=f"sqlite:///{store}")
    try:
        wait_until(lambda: server.poll() is not None or _answers(f"http://127.0.0.1:{port}/health"), "MLflow's answer")
        assert server.poll() is None, server.communicate()[0]
        ours = psutil.Process(server.pid)
        commands = [" ".join(command_of(process)) for process in (ours, *ours.children(recursive=True))]
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)
    assert "mlflow server" in commands[0]
    assert "secret-store" not in "\n".join(commands)
    assert store.stat().st_size > 0, "it is the store that MLflow uses"


def command_of(process: psutil.Process) -> list[str]:
    """Its command line; nothing of one that has ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.cmdline())
    return []


def _answers(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(address).is_success
    return False


@pytest.mark.parametrize("place", ["127.0.0.1:{port}/api", "[::1/api"])
def test_a_prefect_server_that_is_down_is_a_sentence_without_password(new_line: Path, place: str) -> None:
    place = place.format(port=free_port())
    done = tunesmith(new_line, "run", TUNESMITH_PREFECT_API_URL=f"http://me:secret@{place}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Nothing answers at TUNESMITH_PREFECT_API_URL=http://{place}. Start ")
    assert "secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("home", "command"),
    [("/proc/x", ("keys", "add", "me")), ("/proc/x", ("up",)), ("params.yaml", ("gate",)), ("params.yaml", ("ps",))],
)
def test_a_home_folder_that_cannot_be_used_is_a_sentence(new_line: Path, home: str, command: tuple[str, ...]) -> None:
    done = tunesmith(new_line, *command, TUNESMITH_HOME=home)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{new_line / home} cannot be made or written into (")
    assert done.stderr.endswith("). Set TUNESMITH_HOME to a folder of yours.\n")


SERVED = """
from components.settings import load_settings
from flows.server import served
with served(load_settings(), "digits"):
    pass
"""


@pytest.mark.slow
def test_a_server_ends_with_a_killed_demo(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-c", SERVED], cwd=tmp_path, env=environment(TUNESMITH_HOME=str(tmp_path / "home"))
    )
    started: list[psutil.Process] = []

    def a_worker_began() -> bool:
        started[:] = psutil.Process(demo.pid).children(recursive=True)
        return any("_bentoml_impl.worker.service" in command_of(process) for process in started)

    try:
        wait_until(a_worker_began, "a worker")
    finally:
        demo.kill()
        demo.wait()
    _, left = psutil.wait_procs(started, timeout=60)
    for process in left:
        process.kill()
    assert left == []
