"""The audit of the pinned packages, by the real pip-audit at a database of the test's own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from flows.ports import LOOPBACK, free_port
from tests.places import REPOSITORY


def vulnerability(name: str, package: str, version: str, *events: dict[str, str]) -> dict[str, Any]:
    affected = {
        "package": {"name": package, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *events]}],
        "versions": [version],
    }
    return {"id": name, "summary": "It is vulnerable.", "affected": [affected]}


KNOWN = {
    "mendable": [vulnerability("GHSA-mend", "mendable", "1.0", {"fixed": "1.1"})],
    "hopeless": [vulnerability("GHSA-none", "hopeless", "2.0")],
}


class Database(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"vulns": KNOWN.get(asked["package"]["name"], [])}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def database() -> Iterator[str]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Database)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{LOOPBACK}:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(service: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, REPOSITORY / "infra" / "audit.py", "--service", service, *options]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_what_can_be_mended_fails_and_what_cannot_is_told(database: str, tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("hopeless==2.0\nsound==3.0\n")
    done = audit(database, "--pins", str(pins))
    assert done.returncode == 0, done.stderr
    assert "hopeless 2.0: GHSA-none, no version without it is known" in done.stdout
    pins.write_text("hopeless==2.0\nmendable==1.0\n")
    done = audit(database, "--pins", str(pins))
    assert done.returncode == 1
    assert "mendable 1.0: GHSA-mend, take 1.1" in done.stdout
    assert "pins.txt: 2 packages; vulnerabilities: 2, to be mended: 1." in done.stdout


def test_all_pins_are_asked_about(database: str) -> None:
    done = audit(database)
    assert done.returncode == 0, done.stderr
    audited = dict(line.split(" packages;")[0].split(": ") for line in done.stdout.splitlines())
    assert set(audited) == {"constraints.txt", "executorch.txt", "litert.txt"}
    pinned = (REPOSITORY / "constraints.txt").read_text().count("==")
    assert int(audited["constraints.txt"]) > 0.8 * pinned  # those of other systems are left out


def test_without_the_database_it_is_said_that_nothing_was_audited() -> None:
    nowhere = f"http://{LOOPBACK}:{free_port()}"
    done = audit(nowhere, "--if-reachable")
    assert done.returncode == 0, done.stderr
    assert "NOT AUDITED" in done.stdout
    assert audit(nowhere).returncode == 1


def test_a_fault_of_another_kind_fails(database: str, tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("not a requirement ==\n")
    done = audit(database, "--if-reachable", "--pins", str(tmp_path / "pins.txt"))
    assert done.returncode == 1
    assert "pip-audit cannot read" in done.stderr
