"""The whole line, from a folder of images to an answer over HTTP."""

import json
from pathlib import Path

import pytest

from tests.flows.toy import edit, tunesmith
from tests.line.kinds import IMAGES
from tests.line.promoted import Promoted, promoted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STAGES = ["fetch", "champion", "feedback", "ingest", "validate", "prepare", "augment", "train", "compress", "evaluate"]


@pytest.fixture(scope="module")
def line(shared_folder: Path) -> Promoted:
    return promoted(IMAGES, shared_folder)


def test_a_folder_of_images_becomes_a_promoted_model(line: Promoted) -> None:
    run = line.run
    assert run["outcome"] == "promoted"
    assert [stage["stage"] for stage in run["stages"]] == [*STAGES, "register", "gate", "promote"]
    assert {stage["state"] for stage in run["stages"]} == {"ran"}
    assert (line.root / "reports/evaluate/report.html").exists()

    status = json.loads(line.command("status", "--json"))
    assert (status["champion"], status["challenger"]) == (1, 1)
    assert status["line"] == "Every stage is unchanged."
    (move,) = [event for event in json.loads(line.command("history", "--json")) if event["step"] == "done"]
    assert (move["action"], move["before"], move["after"]) == ("promote", None, 1)
    assert move["reason"] == run["sentence"]


def test_run_again_it_finds_every_stage_unchanged_and_wakes_nothing(line: Promoted) -> None:
    before = (line.root / "dvc.lock").read_bytes(), (line.root / ".tunesmith/runs.jsonl").read_bytes()
    run = line.again()
    assert {stage["state"] for stage in run["stages"]} == {"unchanged"}
    assert run["version"] == 1
    assert "Every stage is unchanged" in line.command("run", below="components")
    listing = tunesmith(line.root, "run", PYTHONPATH=str(line.root), PYTHONPROFILEIMPORTTIME="1").stderr
    imported = {row.rpartition("|")[2].strip().partition(".")[0] for row in listing.splitlines()}
    assert "dvc" in imported
    assert not imported & {"prefect", "mlflow", "torch", "onnxruntime", "scipy", "pandas", "bentoml"}
    assert before == ((line.root / "dvc.lock").read_bytes(), (line.root / ".tunesmith/runs.jsonl").read_bytes())


def test_the_promoted_model_answers_over_http(line: Promoted) -> None:
    with line.server() as client:
        answers = {}
        for digit in range(10):
            image = sorted((line.root / f"data/digits/{digit}").glob("*.png"))[0]
            headers = {"Content-Type": "image/png"}
            answer = client.post("/predict", content=image.read_bytes(), headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.json()["version"] == 1
            answers[str(digit)] = answer.json()["label"]
    right = sum(label == truth for truth, label in answers.items())
    assert right >= 9, answers


def test_why_names_what_was_changed(line: Promoted) -> None:
    edit(line.root / "params.yaml", "  epochs: 6", "  epochs: 5")
    (line.root / "components/evaluate/wording.py").open("a").write("\n# changed\n")
    why = {found["stage"]: found for found in json.loads(line.command("why", "--json"))}
    assert [name for name, found in why.items() if found["state"] == "unchanged"] == ["fetch", "feedback", "ingest"]
    assert why["train"]["state"] == "will run"
    assert why["train"]["reasons"][0]["sentence"] == "Parameter train.epochs: 6 → 5."
    assert {reason["sentence"] for reason in why["evaluate"]["reasons"]} >= {
        "Code file components/evaluate/wording.py has changed.",
        "Its input models/train will be made anew by train.",
    }
    assert why["validate"]["reasons"][0]["sentence"] == "Its input data/champion will be made anew by champion."
    assert why["compress"]["state"] == "will run"
