import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from components.train.module import Classifier
from components.train.optimisation import build_loss, build_optimizer, build_schedule, parameter_groups
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from ruamel.yaml import YAML
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn

from components.contracts import PREPARED, REPORTS, TRAINED, Preprocessing, TrainedModel
from components.errors import DataError, TrainingError
from components.params import Params, load_params
from components.params.sections import (
    AdamWParams,
    ConstantParams,
    CosineParams,
    CrossEntropyParams,
    OneCycleParams,
    SgdParams,
)
from components.settings import Settings
from components.train.batches import Batches
from components.train.checkpoints import SafetensorsIO
from components.train.history import History
from components.train.run import fingerprint, fit, run
from components.train.tracking import Tracking
from tests.digits import write_prepared
from tests.places import REPOSITORY


def write_params(root: Path, **train: object) -> Params:
    """The digits preset with another ``train`` section; stages read dvc.yaml too."""
    yaml = YAML(typ="safe", pure=True)
    document = yaml.load(REPOSITORY / "presets" / "digits.yaml")
    document["train"] |= train
    yaml.dump(document, root / "params.yaml")
    (root / "dvc.yaml").write_text((REPOSITORY / "dvc.yaml").read_text())
    return load_params(root / "params.yaml")


def make_workspace(root: Path, **train: object) -> Path:
    root.mkdir(exist_ok=True)
    write_prepared(root)
    (root / "components").symlink_to(REPOSITORY / "components")
    write_params(root, **train)
    return root


def start(root: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"TUNESMITH_THREADS": "1", "TUNESMITH_HOME": str(root / ".tunesmith")}
    command = [sys.executable, "-m", "components.train"]
    return subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


SHORT = {
    "epochs": 3,
    "batch_size": 32,
    "checkpoint_every_steps": 7,
    "precision": "32-true",
    "early_stopping": None,
    "network": {"name": "cnn", "filters": [8, 8, 8], "dense": [16], "batch_norm": True, "dropout": 0.3},
}


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Augmentation, dropout, batch normalisation, one-cycle and AdamW's state: all of it must be gone on with."""
    whole, killed = make_workspace(tmp_path / "whole", **SHORT), make_workspace(tmp_path / "killed", **SHORT)
    undisturbed = start(whole)
    assert undisturbed.wait(timeout=240) == 0, undisturbed.stdout.read()

    process, lines = start(killed), []
    while not (lines and lines[-1].startswith("epoch 1/")):
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended before it was killed: " + "".join(lines)
    time.sleep(0.25)  # into the next epoch
    process.send_signal(signal.SIGKILL)
    process.wait()
    last = start(killed)
    final, _ = last.communicate(timeout=240)
    assert last.returncode == 0, final
    assert "Going on after step" in final
    for name in ("best", "last"):
        expected, found = (load_file(root / TRAINED / f"{name}.safetensors") for root in (whole, killed))
        assert expected.keys() == found.keys()
        for key in expected:
            assert np.array_equal(expected[key], found[key]), f"{name}: {key} differs"
    curves = [json.loads((root / REPORTS / "train" / "history.json").read_text()) for root in (whole, killed)]
    for name in ("epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate"):
        assert [row[name] for row in curves[0]] == [row[name] for row in curves[1]], name
    assert not list((killed / ".tunesmith" / "checkpoints" / "train").iterdir()), "nothing is left to go on from"


class Killed(Callback):
    """Ends a training in the middle of a step, as if it were killed there."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, pl_module: Classifier, batch: object, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            raise MemoryError


def train_once(root: Path, state: str, kill_at: tuple[int, ...] = ()) -> tuple[Classifier, History]:
    params, fitted = load_params(), Preprocessing.read(PREPARED / "preprocessing.json")
    for step in kill_at:
        with pytest.raises(MemoryError):
            fit(params, fitted, root / state, [History(), Killed(step)])
    history = History()
    return fit(params, fitted, root / state, [history]), history


@pytest.mark.parametrize(
    "kill_at", [(9,), (20, 21, 22, 55), (40,)], ids=["mid-epoch", "around the end", "in the second"]
)
def test_wherever_it_is_killed_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: tuple[int, ...]
) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT | {"epochs": 3, "batch_size": 60}))  # 21 steps an epoch
    whole, curve = train_once(tmp_path, "whole")
    resumed, again = train_once(tmp_path, "killed", kill_at)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert [row | {"seconds": 0} for row in curve.epochs] == [row | {"seconds": 0} for row in again.epochs]


def test_a_training_that_had_stopped_early_does_not_train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = {"patience": 1, "min_delta": 0.5}  # the second epoch gains less than half
    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT | {"epochs": 6, "early_stopping": stopping}))
    first, curve = train_once(tmp_path, "state")
    assert len(curve.epochs) == 2
    again, resumed = train_once(tmp_path, "state")
    assert len(resumed.epochs) == 2
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())


def test_a_diverged_training_is_a_sentence_and_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sgd = {"name": "sgd", "learning_rate": 10.0, "momentum": 0.99, "nesterov": False, "weight_decay": 0.0}
    network = {"name": "mlp", "dense": [64, 64], "dropout": 0.0}
    diverging = {"optimizer": sgd, "schedule": {"name": "constant"}, "network": network}
    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT | diverging))
    settings = Settings(home=tmp_path / "home", threads=1)
    with pytest.raises(TrainingError, match=r"diverged.*Lower train\.optimizer\.learning_rate"):
        run(load_params(), settings)
    assert not TRAINED.exists()
    assert not list((settings.home / "checkpoints" / "train").iterdir())


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_gradients_can_be_clipped_in_every_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    chosen = {"epochs": 1, "batch_size": 120, "precision": precision, "gradient_clip_norm": 0.5}
    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT | chosen))
    _, history = train_once(tmp_path, "state")
    assert len(history.epochs) == 1


def test_a_device_that_is_not_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT | {"accelerator": "gpu"}))
    with pytest.raises(TrainingError, match=r"1 × gpu.*this machine cannot give"):
        train_once(tmp_path, "state")


def test_a_run_of_another_tracking_store_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT))
    before, after = (Settings(home=tmp_path / name) for name in ("before", "after"))
    first = Tracking.open(load_params(), before, tmp_path / "state")
    assert Tracking.open(load_params(), before, tmp_path / "state").run_id == first.run_id
    assert Tracking.open(load_params(), after, tmp_path / "state").run_id != first.run_id


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    root = make_workspace(
        tmp_path / "ddp",
        **SHORT | {"epochs": 6, "batch_size": 16, "devices": 2, "strategy": "ddp", "accelerator": "cpu"},
    )
    process = start(root)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    trained = TrainedModel.read(root / TRAINED / "trained.json")
    assert trained.epochs == 6
    assert trained.validation_accuracy > 0.8, output
    assert output.count("epoch 6/6") == 1, "only the first process reports"


@pytest.mark.slow
def test_run_learns_tracks_and_leaves_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT | {"epochs": 8}))
    settings = Settings(home=tmp_path / "home", threads=1)
    run(load_params(), settings)

    trained = TrainedModel.read(TRAINED / "trained.json")
    assert trained.validation_accuracy > 0.85
    tracked = MlflowClient(settings.tracking_address).get_run(trained.run_id)
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["train.network.name"] == "cnn"
    assert tracked.data.metrics["best_validation_accuracy"] == trained.validation_accuracy
    curve = MlflowClient(settings.tracking_address).get_metric_history(trained.run_id, "validation_accuracy")
    assert [point.step for point in curve] == list(range(1, 9))
    best = load_file(TRAINED / "best.safetensors")
    assert sum(value.size for name, value in best.items() if "running" not in name and "num_batches" not in name) == (
        trained.parameters
    )


def test_another_training_does_not_go_on_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work", **SHORT))
    first = fingerprint(load_params())
    assert fingerprint(load_params()) == first
    assert fingerprint(write_params(Path(), **SHORT | {"batch_size": 64})) != first
    labels = np.load("data/prepared/train/labels.npy")
    labels[0] = (labels[0] + 1) % 10
    write_params(Path(), **SHORT)
    np.save("data/prepared/train/labels.npy", labels)
    assert fingerprint(load_params()) != first


def batches(**changes: object) -> Batches:
    values = {"batch_size": 4, "seed": 1, "rank": 0, "ranks": 1} | changes
    return Batches(torch.arange(22).view(22, 1, 1, 1), torch.arange(22), torch.arange(22), **values)


def seen(loader: Batches) -> list[int]:
    return [value for _, targets in loader for value in targets.tolist()]


def test_an_epoch_sees_full_batches_of_a_new_order() -> None:
    loader = batches()
    first = seen(loader)
    loader.set_epoch(1)
    second = seen(loader)
    assert len(first) == len(set(first)) == 20, "the last two samples do not fill a batch"
    assert first != second
    loader.set_epoch(0)
    assert seen(loader) == first


def test_validation_sees_every_sample_once_in_order() -> None:
    assert seen(batches(seed=None)) == list(range(22))


def test_position_is_part_of_the_state() -> None:
    loader = batches()
    loader.set_epoch(3)
    expected = seen(loader)
    iterator = iter(loader)
    next(iterator), next(iterator)
    resumed = batches()
    resumed.load_state_dict(loader.state_dict())
    assert seen(resumed) == expected[8:]
    assert seen(resumed) == expected, "after a resumed epoch the next one is whole"


def test_ranks_share_every_global_batch() -> None:
    parts = [seen(batches(rank=rank, ranks=2)) for rank in range(2)]
    assert len(parts[0]) == len(parts[1]) == 8
    assert not set(parts[0]) & set(parts[1])
    validation = [seen(batches(rank=rank, ranks=2, seed=None, batch_size=100)) for rank in range(2)]
    assert sorted(validation[0] + validation[1]) == list(range(22))


def test_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "state_dict": network.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "loops": {"epoch": 3, "nested": [None, True, 1.5, "text", ()]},
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    SafetensorsIO().save_checkpoint(checkpoint, tmp_path / "c.safetensors")
    loaded = SafetensorsIO().load_checkpoint(tmp_path / "c.safetensors")
    assert loaded["loops"] == checkpoint["loops"]
    assert loaded["half"].dtype == torch.bfloat16
    assert loaded["optimizer_states"][0]["param_groups"] == checkpoint["optimizer_states"][0]["param_groups"]
    assert torch.equal(
        loaded["optimizer_states"][0]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"]
    )


def test_checkpoint_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="PosixPath"):
        SafetensorsIO().save_checkpoint({"path": tmp_path}, tmp_path / "c.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"x" * 5000])
def test_damaged_checkpoint_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        SafetensorsIO().load_checkpoint(tmp_path / "c.safetensors")


def test_foreign_safetensors_is_a_sentence(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "c.safetensors")
    with pytest.raises(DataError, match="is damaged"):
        SafetensorsIO().load_checkpoint(tmp_path / "c.safetensors")


def test_biases_and_normalisation_are_never_decayed() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    decayed, free = parameter_groups(network, 0.1)
    assert [parameter.ndim for parameter in decayed["params"]] == [4, 2]
    assert [parameter.ndim for parameter in free["params"]] == [1, 1, 1, 1]
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize(
    "params",
    [
        AdamWParams(name="adamw", learning_rate=0.05, weight_decay=0.0),
        SgdParams(name="sgd", learning_rate=0.05, momentum=0.9, nesterov=True, weight_decay=0.0),
    ],
)
def test_every_optimizer_goes_down(params: AdamWParams | SgdParams) -> None:
    network = nn.Linear(4, 1)
    optimizer = build_optimizer(params, network)
    losses = []
    for _ in range(50):
        loss = (network(torch.eye(4)) - 3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (ConstantParams(name="constant"), {0: 1.0, 50: 1.0, 99: 1.0}),
        (CosineParams(name="cosine"), {0: 1.0, 50: 0.5, 100: 0.0}),
        (OneCycleParams(name="one_cycle", warmup_share=0.2), {0: 0.04, 19: 1.0, 99: 4e-6}),
    ],
)
def test_schedules_follow_their_formula(params: ConstantParams, expected: dict[int, float]) -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = build_schedule(params, optimizer, 100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < 100 or isinstance(params, CosineParams) else None
    rates.append(optimizer.param_groups[0]["lr"])
    for step, value in expected.items():
        assert rates[step] == pytest.approx(value, abs=1e-3)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0] * 10 + [1] * 30 + [2] * 60)
    loss = build_loss(
        CrossEntropyParams(name="cross_entropy", label_smoothing=0.0, class_weights="balanced"), (10, 30, 60)
    )
    assert loss.weight.numpy() == pytest.approx(
        compute_class_weight("balanced", classes=np.arange(3), y=labels), rel=1e-6
    )
