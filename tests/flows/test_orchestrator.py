"""The Prefect server of the settings, which may be none or let nobody in; and the one of one's own, for real."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from components.settings import TELEMETRY_OFF
from flows.orchestrator import VACUUM
from flows.ports import LOOPBACK, free_port
from tests.flows.loop import wait_until
from tests.flows.toy import environment, tunesmith
from tests.places import REPOSITORY
from tests.prefect_server import answers, asked, give_database


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


@pytest.mark.slow
def test_a_server_that_plans_runs_forgets_old_ones(tmp_path: Path, prefect_database: Path) -> None:
    home, port = give_database(prefect_database, tmp_path / "prefect"), free_port()
    address = f"http://127.0.0.1:{port}/api"
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.orchestrator", str(port), str(os.getpid()), "1"],
        env=environment(PREFECT_HOME=str(home), **TELEMETRY_OFF),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(address), "the server answers")
        settings = asked(f"{address}/admin/settings")
    finally:
        server.kill()
        server.wait()
    assert set(settings["server"]["services"]["db_vacuum"]["enabled"]) == {"events", "flow_runs"}


@pytest.mark.parametrize("file", ["infra/compose.yaml", "infra/kubernetes/base/prefect.yaml"])
def test_the_servers_of_containers_forget_the_same(file: str) -> None:
    ((name, value),) = VACUUM.items()
    (line,) = [line for line in (REPOSITORY / file).read_text().splitlines() if name in line]
    assert value in line
