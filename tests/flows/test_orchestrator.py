"""A server that answers where Prefect's API should be, but is not it, or lets nobody in."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from flows.ports import LOOPBACK
from tests.flows.toy import tunesmith


class NotOurs(BaseHTTPRequestHandler):
    """Its health is told to everybody, as Prefect's is; the rest is a status, or a page that is no JSON."""

    def answer(self, status: int) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"<html>")

    def do_GET(self) -> None:
        self.answer(200 if self.path.endswith("/health") else self.status)

    def do_POST(self) -> None:
        self.answer(self.status)

    @property
    def status(self) -> int:
        return int(self.path.split("/")[1])

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that answers with the status that its path begins with."""
    server = ThreadingHTTPServer((LOOPBACK, 0), NotOurs)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{LOOPBACK}:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "begins", "then"),
    [
        (401, "The Prefect server at {} does not let this machine in (HTTP 401).", "Set TUNESMITH_PREFECT_AUTH to"),
        (403, "The Prefect server at {} does not let this machine in (HTTP 403).", "Set TUNESMITH_PREFECT_AUTH to"),
        (404, "No Prefect API answers at {} (HTTP 404).", "Its address ends in /api;"),
        (200, "No Prefect API answers at {} (HTTP 200).", "Its address ends in /api;"),
    ],
)
def test_only_a_prefect_api_that_lets_us_in_passes(
    new_line: Path, server: str, status: int, begins: str, then: str
) -> None:
    address = f"{server}/{status}"
    done = tunesmith(new_line, "sweep", "--cron", "0 3 * * 6", TUNESMITH_PREFECT_API_URL=address)
    shown = f"TUNESMITH_PREFECT_API_URL={address}"
    assert done.returncode == 1
    assert done.stderr.startswith(f"{begins.format(shown)} {then} ")
    assert done.stderr.count("\n") == 1
