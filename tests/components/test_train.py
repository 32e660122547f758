import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from components.contracts import REPORTS, TRAINED, ClassTarget, TrainedModel
from components.errors import TrainingError
from components.params import load_params
from components.settings import Settings
from components.train.history import History
from components.train.learner import Learner
from components.train.run import fingerprint, run
from components.train.tracking import Tracking
from tests.components.trainings import (
    PATIENCE,
    SHORT,
    UNCHANGED,
    Killed,
    make_workspace,
    start,
    train_here,
    write_params,
)
from tests.digits import LABELS

DIGITS = ClassTarget(labels=LABELS, counts=(100,) * 10)


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Augmentation, dropout, batch normalisation, one-cycle and AdamW's state: all of it must be gone on with."""
    whole, killed = make_workspace(tmp_path / "whole"), make_workspace(tmp_path / "killed")
    undisturbed = start(whole)
    assert undisturbed.wait(timeout=PATIENCE) == 0, undisturbed.stdout.read()

    process, lines = start(killed), []
    while not (lines and lines[-1].startswith("epoch 1/")):
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended before it was killed: " + "".join(lines)
    time.sleep(0.25)  # into the next epoch
    process.send_signal(signal.SIGKILL)
    process.wait()
    last = start(killed)
    final, _ = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, final
    assert "Going on after step" in final
    for name in ("best", "last"):
        expected, found = (load_file(root / TRAINED / f"{name}.safetensors") for root in (whole, killed))
        assert expected.keys() == found.keys()
        for key in expected:
            assert np.array_equal(expected[key], found[key]), f"{name}: {key} differs"
    curves = [json.loads((root / REPORTS / "train" / "history.json").read_text()) for root in (whole, killed)]
    for name in ("epoch", "train_loss", "validation_loss", "validation_score", "learning_rate"):
        assert [row[name] for row in curves[0]] == [row[name] for row in curves[1]], name
    assert not list((killed / ".tunesmith" / "checkpoints" / "train").iterdir()), "nothing is left to go on from"


def train_once(state: Path, kill_at: tuple[int, ...] = ()) -> tuple[Learner, History]:
    for step in kill_at:
        with pytest.raises(MemoryError):
            train_here(state, [Killed(step)])
    return train_here(state)


@pytest.mark.parametrize(
    "kill_at", [(9,), (20, 21, 22, 55), (40,)], ids=["mid-epoch", "around the end", "in the second"]
)
def test_wherever_it_is_killed_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: tuple[int, ...]
) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work", **{"epochs": 3, "batch_size": 60}))  # 21 steps an epoch
    whole, curve = train_once(tmp_path / "whole")
    resumed, again = train_once(tmp_path / "killed", kill_at)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert [row | {"seconds": 0} for row in curve.epochs] == [row | {"seconds": 0} for row in again.epochs]


def test_a_training_that_had_stopped_early_does_not_train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = {"patience": 1, "min_delta": 0.5}  # the second epoch gains less than half
    monkeypatch.chdir(make_workspace(tmp_path / "work", **{"epochs": 6, "early_stopping": stopping}))
    first, curve = train_once(tmp_path / "state")
    assert len(curve.epochs) == 2
    again, resumed = train_once(tmp_path / "state")
    assert len(resumed.epochs) == 2
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())


def test_a_diverged_training_is_a_sentence_and_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sgd = {"name": "sgd", "learning_rate": 10.0, "momentum": 0.99, "nesterov": False, "weight_decay": 0.0}
    network = {"name": "mlp", "dense": [64, 64], "activation": "relu", "dropout": 0.0}
    diverging = {"optimizer": sgd, "schedule": {"name": "constant"}, "network": network}
    monkeypatch.chdir(make_workspace(tmp_path / "work", **diverging))
    settings = Settings(home=tmp_path / "home", threads=1)
    with pytest.raises(TrainingError, match=r"diverged.*Lower train\.optimizer\.learning_rate"):
        run(load_params(), settings)
    assert not TRAINED.exists()
    assert not list((settings.home / "checkpoints" / "train").iterdir())


@pytest.mark.parametrize("clip", [{"norm": 0.5, "value": 0}, {"norm": 0, "value": 0.01}], ids=["norm", "value"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_gradients_can_be_clipped_in_every_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, clip: dict[str, float]
) -> None:
    chosen = {"epochs": 1, "batch_size": 120, "precision": precision, "gradient_clip": clip}
    monkeypatch.chdir(make_workspace(tmp_path / "work", **chosen))
    _, history = train_once(tmp_path / "state")
    assert len(history.epochs) == 1


def test_a_device_that_is_not_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.chdir(make_workspace(tmp_path / "work", **{"accelerator": "gpu"}))
    with pytest.raises(TrainingError, match=r"1 × gpu.*this machine cannot give"):
        train_once(tmp_path / "state")


def test_a_run_of_another_tracking_store_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work"))
    before, after = (Settings(home=tmp_path / name) for name in ("before", "after"))
    first = Tracking.open(load_params(), before, tmp_path / "state", DIGITS)
    assert Tracking.open(load_params(), before, tmp_path / "state", DIGITS).run_id == first.run_id
    assert Tracking.open(load_params(), after, tmp_path / "state", DIGITS).run_id != first.run_id


PLAIN = {
    "network": {
        "name": "cnn", "filters": [8, 8, 8], "dense": [16], "activation": "relu", "batch_norm": False, "dropout": 0.0,
    },
    "epochs": 2,
}  # fmt: skip
"""Nothing in it depends on how a batch is shared: no normalisation over it, nothing drawn for it."""


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of each batch in each process: the same weights as from whole batches, within rounding."""
    shared = make_workspace(tmp_path / "shared", UNCHANGED, **PLAIN, batch_size=25, devices=2, strategy="ddp")
    process = start(shared)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert output.count("epoch 2/2") == 1, "only the first process reports"
    monkeypatch.chdir(make_workspace(tmp_path / "alone", UNCHANGED, **PLAIN, batch_size=50))
    alone, history = train_once(tmp_path / "state")
    found = load_file(shared / TRAINED / "last.safetensors")
    for name, weight in alone.network.state_dict().items():
        np.testing.assert_allclose(found[name], weight.numpy(), rtol=1e-3, atol=2e-4, err_msg=name)
    best = max(epoch["validation_score"] for epoch in history.epochs)
    trained = TrainedModel.read(shared / TRAINED / "trained.json")
    assert trained.validation_score == pytest.approx(best, abs=0.011)
    assert trained.parameters == sum(weight.numel() for weight in alone.network.parameters())
    assert best > 0.3


@pytest.mark.slow
def test_run_learns_tracks_and_leaves_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(make_workspace(tmp_path / "work", **{"epochs": 8}))
    settings = Settings(home=tmp_path / "home", threads=1)
    run(load_params(), settings)

    trained = TrainedModel.read(TRAINED / "trained.json")
    assert trained.validation_score > 0.85
    assert (trained.machine["threads"], trained.environment["torch"]) == ("1", torch.__version__)
    tracked = MlflowClient(settings.tracking_address).get_run(trained.run_id)
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["train.network.name"] == "cnn"
    assert tracked.data.metrics["best_validation_accuracy"] == trained.validation_score
    curve = MlflowClient(settings.tracking_address).get_metric_history(trained.run_id, "validation_accuracy")
    assert [point.step for point in curve] == list(range(1, 9))
    best = load_file(TRAINED / "best.safetensors")
    assert sum(value.size for name, value in best.items() if "running" not in name and "num_batches" not in name) == (
        trained.parameters
    )


def test_another_training_does_not_go_on_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work"))
    first = fingerprint(load_params())
    assert fingerprint(load_params()) == first
    assert fingerprint(write_params(Path(), **SHORT | {"batch_size": 64})) != first
    labels = np.load("data/prepared/train/labels.npy")
    labels[0] = (labels[0] + 1) % 10
    write_params(Path(), **SHORT)
    np.save("data/prepared/train/labels.npy", labels)
    assert fingerprint(load_params()) != first
