"""A real server in a process of its own, asked over a real socket."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from components.settings import Settings
from flows.ports import free_port
from tests.shelf import NAME

PATIENCE = 90.0


def environment(settings: Settings, port: int, **more: object) -> dict[str, str]:
    """What a server with these settings is started with; nothing of this process' own settings."""
    chosen = {"home": settings.home, "port": port, "poll_seconds": 0.2, **more}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TUNESMITH_", "BENTOML_"))}
    return kept | {f"TUNESMITH_{name.upper()}": str(value) for name, value in chosen.items()}


@dataclass
class Running:
    """A server that was started."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str] = field(default_factory=list)
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))
    )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(self.address + path, **more)

    def post(self, path: str, content: Any, headers: dict[str, str]) -> httpx.Response:
        return self.client.post(self.address + path, content=content, headers=headers)

    def model(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.get("/model").json()
        return answer

    def serves(self, version: int) -> bool:
        return bool(self.model()["version"] == version)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Waits until something holds, and fails with its name when it does not."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def running(settings: Settings, folder: Path, **more: object) -> Iterator[Running]:
    """Starts ``python -m serving`` in a folder, waits for the line that it prints, and ends it with the block."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", "--name", NAME],
        cwd=folder,
        env=environment(settings, port, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Running(process, port)
    threading.Thread(target=server.read, daemon=True).start()
    try:
        wait_for(lambda: server.said(server.address) or process.poll() is not None, "the line of a started server")
        assert process.poll() is None, "\n".join(server.lines)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
