"""What the server says of itself is true: schemathesis asks it all that its document allows, and what it does not."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import REPOSITORY
from tests.serving.running import PATIENCE, Running, running
from tests.serving.test_tasks import promote_rows, promote_texts
from tests.shelf import Shelf, copy_of

EXAMPLES = 25
HOOKS = "tests.serving.schemathesis_bodies"


def memory(server: Running) -> int:
    """Resident bytes of the server's processes."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    pages = [int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in children]
    return sum(pages) * os.sysconf("SC_PAGESIZE")


def ask_everything(server: Running, folder: Path, examples: int = EXAMPLES) -> int:
    """Runs schemathesis with all of its checks; gives how many requests it has sent."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{server.address}/openapi.json",
        f"--max-examples={examples}",
        "--seed=7",
        "--suppress-health-check=too_slow",
        f"--request-timeout={PATIENCE}",
        "--no-color",
        "--continue-on-failure",
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert not server.said("Traceback"), "\n".join(server.lines[-30:])
    return sum(map(int, re.findall(r"(\d+) generated", done.stdout)))


@pytest.mark.slow
def test_images_are_answered_as_the_document_says(server: Running, tmp_path: Path) -> None:
    assert ask_everything(server, tmp_path) > 250


@pytest.fixture
def other(request: pytest.FixtureRequest, empty_registry: Path, tmp_path: Path) -> Iterator[Running]:
    """A server of another kind of inputs."""
    shelf: Shelf = copy_of(empty_registry, tmp_path)
    request.param(shelf, tmp_path / "package")
    with running(shelf.settings, tmp_path, max_batch=8) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("other", [promote_texts, promote_rows], indirect=True, ids=["texts", "rows"])
def test_texts_and_rows_are_answered_as_the_document_says(other: Running, tmp_path: Path) -> None:
    assert ask_everything(other, tmp_path) > 250
