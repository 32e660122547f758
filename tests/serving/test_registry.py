"""A real MLflow server, asked over its REST interface."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest

from components.errors import RegistryError, SettingsError
from components.package import verify
from components.settings import Settings
from flows.ports import free_port
from serving.packages import fetch_package
from serving.registry import CHAMPION, Holder, open_registry
from tests.following import follower_of
from tests.package_factory import digits
from tests.serving.running import wait_for
from tests.shelf import NAME, Shelf, answers


@pytest.fixture(scope="module")
def mlflow_server(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server that keeps its artifacts itself."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    (folder / "mlflow.db").write_bytes(empty_registry.read_bytes())
    place = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *place],
        cwd=folder,
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"

    def answers_now() -> bool:
        try:
            return httpx.get(f"{address}/health").is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers_now, "MLflow's server", seconds=120)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_a_server_is_followed_over_rest(mlflow_server: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", tracking_uri=mlflow_server)
    registry = open_registry(settings, NAME)
    assert registry.holder(CHAMPION) is None, "no such model"
    shelf = Shelf(settings, tmp_path)
    first = shelf.publish(0.0)
    assert registry.holder(CHAMPION) is None, "no version has the alias"

    shelf.promote(first)
    follower = follower_of(registry, settings, tmp_path / "scratch")
    follower.look()
    assert follower.following.error is None
    sample = np.ascontiguousarray(digits().inputs[:3])
    assert follower.model
    assert follower.model.version == first
    assert np.allclose(follower.model.infer(sample).answers, answers(shelf.package(0.0), sample), atol=1e-6)

    champion = registry.holder(CHAMPION)
    assert champion
    (tmp_path / "fetched").mkdir()
    fetch_package(registry, champion, tmp_path / "fetched", settings.public_keys)
    assert verify(tmp_path / "fetched", settings.public_keys) == champion.digest
    with pytest.raises(RegistryError, match="larger than 10 bytes"):
        registry.fetch(champion, "model.onnx", tmp_path / "too-large", 10)
    with pytest.raises(RegistryError, match=r"no-such-file"):
        registry.fetch(champion, "no-such-file", tmp_path / "missing", 10)


def test_a_server_that_is_gone_is_said_without_its_password(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, tracking_uri=f"http://me:secret@127.0.0.1:{free_port()}")
    registry = open_registry(settings, NAME)
    with pytest.raises(RegistryError, match="cannot be asked") as refused:
        registry.holder(CHAMPION)
    assert "secret" not in str(refused.value) + registry.address


class Forbidding(BaseHTTPRequestHandler):
    """Lets nobody in, and remembers what it was shown."""

    shown: list[str | None]

    def do_GET(self) -> None:
        self.shown.append(self.headers["Authorization"])
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b'{"error_code": "UNAUTHENTICATED"}')

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def test_the_token_is_shown_to_the_server_and_a_refusal_is_no_absence(tmp_path: Path) -> None:
    Forbidding.shown = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = Settings(
        home=tmp_path, tracking_uri=f"http://127.0.0.1:{server.server_port}", tracking_token="let-me-in"
    )
    with pytest.raises(RegistryError, match="401"):
        open_registry(settings, NAME).holder(CHAMPION)
    assert Forbidding.shown == ["Bearer let-me-in"]
    server.shutdown()


def test_an_address_that_cannot_be_followed_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="postgresql"):
        open_registry(Settings(home=tmp_path, tracking_uri="postgresql://db/mlflow"), NAME)


def test_a_package_elsewhere_is_said(tmp_path: Path) -> None:
    registry = open_registry(Settings(home=tmp_path), NAME)
    with pytest.raises(RegistryError, match="not on this machine"):
        registry.fetch(Holder(1, 0, "s3://bucket/package", None), "manifest.json", tmp_path / "m", 10)
