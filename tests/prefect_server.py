"""Prefect servers for the tests, with a database that was made once: making it is the slowest part of a start."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from components.settings import TELEMETRY_OFF
from flows.ports import free_port
from tests.flows.toy import environment

DATABASE = "prefect.db"
PATIENCE_SECONDS = 180.0


def make_database(home: Path) -> Path:
    """A database that holds nothing, in a folder of its own."""
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
    quiet = environment(PREFECT_HOME=str(home), **TELEMETRY_OFF)
    subprocess.run(command, env=quiet, check=True, capture_output=True)
    return home / DATABASE


def give_database(database: Path, home: Path) -> Path:
    """Puts a copy where a server of this ``PREFECT_HOME`` will look for it, and gives that folder."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(database, home / DATABASE)
    return home


@contextlib.contextmanager
def serving(home: Path) -> Iterator[str]:
    """A server at work; gives the address of its API."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
        env=environment(PREFECT_HOME=str(home), **TELEMETRY_OFF),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}/api"
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        while not answers(address):
            assert process.poll() is None, "Prefect's server has ended"
            assert time.monotonic() < until, "Prefect's server does not answer"
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def asked(address: str, question: dict[str, Any] | None = None) -> Any:
    """What a server tells, asked again while SQLite is busy with what the server does by itself.

    Args:
        address: with the path.
        question: that is posted; None: it is only fetched.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.suppress(httpx.TimeoutException):
            answer = httpx.request("GET" if question is None else "POST", address, json=question, timeout=60)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer.raise_for_status().json()
        assert time.monotonic() < until, f"{address} does not answer"
        time.sleep(0.5)


def answers(address: str) -> bool:
    """Whether a server can be asked."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{address}/health", timeout=5).is_success
    return False
