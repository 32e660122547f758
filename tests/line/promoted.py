"""The real line from end to end, as a user runs it: ``tunesmith run`` in a clone, and a server of what it promoted."""

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock

from benchmarks.workspace import clone
from components.files import read_json, write_json
from flows.ports import free_port
from flows.questions import Question, questions
from tests.flows.toy import start, tunesmith
from tests.line.kinds import Kind


@dataclass(frozen=True)
class Promoted:
    """A clone in which the line has run.

    Attributes:
        root: of the clone.
        run: what ``tunesmith run --json`` said the first time.
    """

    root: Path
    run: dict[str, Any]

    def command(self, *arguments: str, below: str = "") -> str:
        """The output of a command that must succeed, given in the clone or below it."""
        done = tunesmith(self.root / below, *arguments, PYTHONPATH=str(self.root))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def again(self) -> dict[str, Any]:
        """What a second run says."""
        found: dict[str, Any] = json.loads(self.command("run", "--json"))
        return found

    @contextlib.contextmanager
    def server(self, **more: str) -> Iterator[httpx.Client]:
        """A server of the champion, with more in its environment."""
        port = free_port()
        process = start(self.root, "serve", PYTHONPATH=str(self.root), TUNESMITH_PORT=str(port), **more)
        until = time.monotonic() + 240
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                while not _ready(client):
                    assert process.poll() is None, process.communicate()[0]
                    assert time.monotonic() < until, "the server did not become ready"
                    time.sleep(0.2)
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)

    def answered(self, count: int) -> list[tuple[Question, dict[str, Any]]]:
        """Questions from the test split, and what a server of the champion says to each."""
        with contextlib.chdir(self.root):
            asked = questions(count)
        with self.server() as client:
            return [
                (question, client.post("/predict", content=question.content, headers=_type_of(question)).json())
                for question in asked
            ]


def _type_of(question: Question) -> dict[str, str]:
    return {"Content-Type": question.content_type}


def _ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/readyz").is_success
    return False


def promoted(kind: Kind, folder: Path, prefect_api: str | None = None) -> Promoted:
    """Runs the line of a kind in a clone below the folder, or waits for who does, or finds that it was run.

    So all tests of a session ask one training, in whichever process they are. Without the API of a Prefect server the
    line starts its own, as a new user's does.
    """
    root, outcome = folder / kind.name, folder / f"{kind.name}.json"
    with FileLock(folder / f"{kind.name}.lock"):
        if not outcome.exists():
            root.mkdir()
            clone(root)
            kind.prepare(root)
            more = {"TUNESMITH_PREFECT_API_URL": prefect_api} if prefect_api else {}
            done = tunesmith(root, "run", "--json", PYTHONPATH=str(root), **more)
            write_json(outcome, {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr})
    ran = read_json(outcome)
    assert ran["code"] == 0, ran["stdout"] + ran["stderr"]
    return Promoted(root, json.loads(ran["stdout"]))
