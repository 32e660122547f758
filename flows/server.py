"""A server of the champion for the length of a block: started, waited for, asked, and stopped.

It dies with the process that started it, even where that is killed.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from components.errors import ServingError
from components.settings import Settings
from flows.ports import LOOPBACK, free_port

PATIENCE_SECONDS = 120.0
FAREWELL_SECONDS = 20.0


@contextlib.contextmanager
def served(settings: Settings, name: str) -> Iterator[str]:
    """Serves a model on a free port of loopback.

    Args:
        settings: where things are; the server's log is ``logs/serving.log`` of the home folder.
        name: of the registered model.

    Yields:
        The address that answers.

    Raises:
        ServingError: the server does not become ready.
    """
    port = free_port()
    log = settings.home / "logs" / "serving.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"TUNESMITH_HOST": LOOPBACK, "TUNESMITH_PORT": str(port), "TUNESMITH_MODEL": name}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "serving", "--parent", str(os.getpid())]
        server = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://{LOOPBACK}:{port}"
        _wait_until_ready(server, address, log)
        yield address
    finally:
        _stop(server)


def _wait_until_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not _ready(address):
        if server.poll() is not None or time.monotonic() > until:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = said[-1] if said else "it said nothing"
            raise ServingError(f"The server does not become ready: {last}\nIts whole output is in {log}.")
        time.sleep(0.1)


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).is_success
    except httpx.TransportError:  # not yet
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Lets it finish what it is answering."""
    server.terminate()
    try:
        server.wait(timeout=FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
