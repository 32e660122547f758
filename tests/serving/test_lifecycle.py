"""How a server starts, waits, and ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.ports import free_port
from serving.measures import MEMORY, PREFIX
from tests.package_factory import digits
from tests.serving.listening import listening
from tests.serving.running import PATIENCE, environment, running, wait_for
from tests.shelf import Shelf

BODY = json.dumps({"inputs": digits().inputs[0].tolist()}).encode()
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
)
JSON = {"Content-Type": "application/json"}


def start(shelf: Shelf, folder: Path, *arguments: str, port: int | None = None) -> subprocess.CompletedProcess[str]:
    """Starts a server that is expected to refuse."""
    return subprocess.run(
        [sys.executable, "-m", "serving", *arguments],
        cwd=folder,
        env=environment(shelf.settings, port or free_port()),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.slow
def test_it_waits_for_a_champion_becomes_ready_and_ends_after_the_last_answer(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.publish(0.0)
    with running(shelf.settings, tmp_path) as server:
        assert server.said("not ready: No version carries the alias champion yet; run tunesmith promote.")
        assert server.get("/livez").status_code == 200
        ready = server.get("/readyz")
        assert ready.status_code == 503
        assert "tunesmith promote" in ready.text
        refused = server.post("/predict", BODY, JSON)
        assert refused.status_code == 503
        assert "tunesmith promote" in refused.json()["error"]
        assert refused.headers["retry-after"]
        assert server.model()["version"] is None
        shelf.promote(version)
        wait_for(lambda: server.get("/readyz").status_code == 200, "readiness")
        assert server.post("/predict", BODY, JSON).json()["version"] == version
        (measures,) = MEMORY.glob(f"{PREFIX}{server.process.pid}-*")
        assert list(measures.glob("counter_*.db"))

        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
            client.sendall(HEAD)
            assert client.recv(1000).startswith(b"HTTP/1.1 100 "), "from here on it waits for the body"
            client.sendall(BODY[:50])
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            client.sendall(BODY[50:])
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(PATIENCE) == 0
        assert not measures.exists()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), 5)


@pytest.mark.slow
def test_killed_it_leaves_no_worker_behind(shelf: Shelf, tmp_path: Path) -> None:
    with running(shelf.settings, tmp_path) as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        assert children
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        wait_for(lambda: not any(Path(f"/proc/{child}/exe").exists() for child in children), "the workers' end")


def test_nobody_else_on_the_machine_reaches_the_control_of_its_workers(shelf: Shelf, tmp_path: Path) -> None:
    with running(shelf.settings, tmp_path) as server:
        assert listening(server.process.pid) == {server.port}


def test_a_taken_port_is_a_sentence(shelf: Shelf, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = start(shelf, tmp_path, "--name", "digits", port=taken.getsockname()[1])
    assert ended.returncode == 1
    assert "cannot be bound" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_where_no_socket_can_be_named_it_is_a_sentence(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    ended = start(shelf, tmp_path, "--name", "digits")
    assert ended.returncode == 1
    assert f"TMPDIR={folder} is too long a path for a socket." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(folder.iterdir()) == [], "nothing is left, also not of ONNX Runtime's telemetry"


def test_without_a_name_it_says_how_to_give_one(shelf: Shelf, tmp_path: Path) -> None:
    ended = start(shelf, tmp_path)
    assert ended.returncode == 1
    assert "--name" in ended.stderr
    assert "Traceback" not in ended.stderr


def told_by(code: str, home: Path) -> str:
    """What a program prints that imports the service (BentoML makes folders where BENTOML_HOME says)."""
    environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_serving_imports_nothing_of_the_line(tmp_path: Path) -> None:
    """A server starts in seconds and stays small."""
    heavy = ("torch", "mlflow", "pandas", "pyarrow", "sklearn", "ray", "dvc", "prefect", "pytorch_lightning", "onnx")
    code = f"import sys, serving.service, serving.__main__; print([name for name in {heavy} if name in sys.modules])"
    assert told_by(code, tmp_path) == "[]"


def test_no_timer_of_bentoml_outlives_a_request(tmp_path: Path) -> None:
    """Its TimeoutMiddleware keeps one for each request until it runs out: 200 MB at 1,700 requests a second."""
    code = (
        "from serving.service import Tunesmith;"
        "print([part.cls.__name__ for part in Tunesmith.to_asgi().bento.user_middleware])"
    )
    told = told_by(code, tmp_path)
    assert "ContextMiddleware" in told, "these are the parts that BentoML puts around the application"
    assert "Timeout" not in told
