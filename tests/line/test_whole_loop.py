"""Days without anyone at the keyboard, in minutes: drifted traffic ends in a better model, and bad labels in nothing.

All of it is real: a line, a server, Prefect's server, the process of the deployments.
"""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

from flows.runs import Run
from tests.digits import digit_images, write_image_folder
from tests.flows.loop import Loop, runs, wait_until
from tests.line.kinds import Kind
from tests.line.promoted import Promoted, promoted

SMALL = Kind(
    "loop",
    "digits",
    {
        "augment": {name: {"probability": 0} for name in ("rotation", "width_shift", "height_shift")},
        "train": {"epochs": 14, "network": {"filters": [16, 32, 32]}},
        "compress": {"latency_repeats": 20},
        "gate": {"max_latency_ratio": 1000, "max_class_recall_drop": 0.3},
        "monitor": {"quality": {"min_labels": 1000}, "retrain_on": ["predictions", "confidence"]},
    },
    "data/digits",
    write_image_folder,
)
SENT, ASKED, POISONED = slice(0, 300), slice(300, 500), slice(500, 1100)
MINUTES = 600.0


def inverted() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Dark digits on light ground, as another scanner sends them: (samples, 24, 24, 1)."""
    images, labels = digit_images()
    return 255 - images, labels


def ask(client: httpx.Client, images: NDArray[np.uint8]) -> list[tuple[str, int, str, int]]:
    """Sends images, fifty a request: request, sample, answer and version of each."""
    found = []
    for start in range(0, len(images), 50):
        body = io.BytesIO()
        np.save(body, images[start : start + 50])
        answer = client.post("/predict_batch", content=body.getvalue(), headers={"Content-Type": "application/x-npy"})
        assert answer.status_code == 200, answer.text
        said = answer.json()
        found += [
            (said["request_id"], sample, each["label"], int(answer.headers["X-Model-Version"]))
            for sample, each in enumerate(said["predictions"])
        ]
    return found


def correct(client: httpx.Client, answers: list[tuple[str, int, str, int]], truths: NDArray[np.int64]) -> None:
    for (request_id, sample, *_), truth in zip(answers, truths, strict=True):
        body = {"request_id": request_id, "sample": sample, "label": str(truth)}
        assert client.post("/feedback", json=body).status_code == 201


def right(answers: list[tuple[str, int, str, int]], truths: NDArray[np.int64]) -> float:
    return float(np.mean([label == str(truth) for (_, _, label, _), truth in zip(answers, truths, strict=True)]))


def ended(root: Path, after: int, reason: str) -> Run:
    """The first run beyond ``after`` of them whose reason has these words, at its end."""

    def found() -> list[Run]:
        return [run for run in runs(root)[after:] if reason in run.reason and run.ended]

    wait_until(found, f"a run ends that was started for '{reason}'", MINUTES)
    return found()[0]


def refused(root: Path, since: str) -> bool:
    """Whether a run was refused that has ended since a time, whatever it was started for.

    An alarm about version 2 may have started one that had to wait, and that took what the colleague had changed in the
    meantime. The colleague's own then finds nothing changed, and leaves no trace.
    """
    return any(run.outcome == "refused" and run.ended and run.ended >= since for run in runs(root))


@pytest.fixture
def line(tmp_path: Path, prefect_api: str) -> Promoted:
    return promoted(SMALL, tmp_path, prefect_api)


@pytest.fixture
def loop(line: Promoted, prefect_database: Path) -> Iterator[Loop]:
    """To be started when the traffic has changed."""
    made = Loop(
        line.root,
        prefect_database,
        PYTHONPATH=str(line.root),
        TUNESMITH_MONITOR_SECONDS="20",
        TUNESMITH_RETRAIN_LABELS="500",
    )
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_drift_ends_in_a_better_model_and_bad_labels_or_a_worse_model_in_none(
    line: Promoted, request: pytest.FixtureRequest
) -> None:
    images, labels = inverted()
    with line.server(TUNESMITH_LOG_INPUTS="true", TUNESMITH_POLL_SECONDS="0.5") as client:
        sent = ask(client, images[SENT])
        assert {version for *_, version in sent} == {1}
        assert right(sent, labels[SENT]) < 0.6, "the champion does not know such pictures"
        correct(client, sent, labels[SENT])

        loop: Loop = request.getfixturevalue("loop")
        retrained = ended(line.root, 1, "Alarm: ")
        assert retrained.outcome == "promoted", retrained.sentence
        after = ask(client, images[ASKED])
        assert {version for *_, version in after} == {2}, "the server had acknowledged before the run ended"
        assert right(after, labels[ASKED]) > 0.75, "it has learnt from what people said"

        poisoned = ask(client, images[POISONED])
        correct(client, poisoned, np.full(len(poisoned), 3))
        stopped = ended(line.root, 2, "")  # for the labels, or for the drift of what they are of
        assert stopped.outcome == "failed"
        assert "max_class_imbalance" in stopped.sentence
        assert {stage.stage: stage.state for stage in stopped.stages}["train"] == "not reached"
        assert client.get("/model").json()["version"] == 2
        hour = json.loads(line.command("feedback", "show", "--json"))["hours"]
        assert sum(each["corrections"] for each in hour) == len(sent) + len(poisoned)
        withdraw_last(line, len(poisoned))

        worsened = datetime.now(UTC).isoformat(timespec="seconds")
        worsen(line.root / "params.yaml")
        loop.emit("a colleague has changed params.yaml")
        wait_until(lambda: refused(line.root, worsened), "a worse model is refused", MINUTES)
        assert {run.version for run in runs(line.root) if run.outcome == "promoted"} == {1, 2}
        assert client.get("/model").json()["version"] == 2
        assert right(ask(client, images[ASKED]), labels[ASKED]) > 0.75


def withdraw_last(line: Promoted, count: int) -> None:
    """Takes back all that was said since the run before the last one had ended."""
    since = runs(line.root)[1].ended
    assert since is not None
    said = line.command("feedback", "withdraw", "--since", since[:19], "--until", "2100-01-01")
    assert said.startswith(f"{count} corrections are withdrawn")


def worsen(params: Path) -> None:
    """Asks for a training that comes to nothing."""
    yaml = YAML()
    document = yaml.load(params)
    document["train"]["optimizer"]["learning_rate"] = 1e-6
    document["gate"]["min_gain_over_baseline"] = -1
    yaml.dump(document, params)
