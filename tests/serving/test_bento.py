"""BentoML's own commands: ``bentoml serve``, and ``bentoml build`` with what comes out of it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.api_keys import make_key
from components.presence import known_servers
from components.promote import promote
from flows.ports import free_port
from tests.places import REPOSITORY
from tests.serving.listening import listening
from tests.serving.running import PATIENCE, environment, wait_for
from tests.serving.test_access import bearer
from tests.serving.test_swap import ONE
from tests.shelf import NAME, Shelf

BENTOML = str(Path(sys.executable).with_name("bentoml"))
HEAVY = ("torch", "ray", "dvc", "prefect", "mlflow", "pytorch-lightning", "great-expectations")


@contextlib.contextmanager
def served(shelf: Shelf, what: str, folder: Path) -> Iterator[str]:
    """``bentoml serve`` of a service or a Bento; gives its address."""
    port = free_port()
    told = environment(shelf.settings, 3000, model=NAME) | {"PYTHONPATH": str(REPOSITORY), "BENTOML_HOME": str(folder)}
    told |= {"TUNESMITH_POLL_SECONDS": "0.2"}
    process = subprocess.Popen([BENTOML, "serve", what, "--port", str(port)], cwd=folder, env=told)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: is_ready(address), "the server of BentoML")
        assert listening(process.pid) == {port}, "nobody else on the machine reaches the control of its workers"
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=PATIENCE).is_success
    except httpx.HTTPError:
        return False


def ask(address: str, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{address}/predict", content=ONE[0], headers=headers, timeout=PATIENCE)


@pytest.mark.slow
def test_bentoml_serve_answers_wants_a_key_and_is_known_to_promotions(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    second = shelf.publish(3.0)
    with served(shelf, "serving.service:Tunesmith", tmp_path) as address:
        assert ask(address, ONE[1]).status_code == 401
        key = make_key(shelf.settings.key_folder, "shop", "predict")

        def version() -> int | None:
            answer = ask(address, {**ONE[1], **bearer(key)})
            return int(answer.json()["version"]) if answer.is_success else None

        wait_for(lambda: version() == 1, "the key")
        assert len(known_servers(shelf.settings, NAME)) == 1
        promoted = promote(shelf.settings, NAME, second, 1, "as a test")
        assert "bentoml serve" in promoted.sentence()
        assert version() == second


@pytest.mark.slow
def test_a_bento_holds_the_server_alone_and_serves(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    told = os.environ | {"BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "true"}
    done = subprocess.run(
        [BENTOML, "build", "--output", "tag"], cwd=REPOSITORY, env=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (bento,) = (tmp_path / "bentoml" / "bentos" / "tunesmith").glob("*/")
    asked_for = (bento / "env" / "python" / "requirements.txt").read_text().lower().splitlines()
    assert any(line.startswith("onnxruntime==") for line in asked_for)
    assert not [line for line in asked_for if line.startswith(tuple(f"{name}==" for name in HEAVY))]
    files = {file.relative_to(bento / "src").parts[0] for file in (bento / "src").rglob("*") if file.is_file()}
    assert {"serving", "components", "pyproject.toml"} <= files
    assert not files & {"tests", "data", "models", ".tunesmith", "flows", "params.yaml"}
    assert (bento / "src" / "serving" / "page" / "index.html").exists()
    with served(shelf, str(bento), tmp_path / "bentoml") as address:
        page = httpx.get(f"{address}/", headers={"Accept": "text/html"}, timeout=PATIENCE)
        assert page.text.startswith("<!doctype html>")
