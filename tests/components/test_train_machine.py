"""Wishes that this machine cannot fulfil, and the batch size that its memory holds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from components.contracts import PREPARED, LabelledArrays, Preprocessing
from components.errors import TrainingError
from components.params import load_params
from components.params.sections import TrainParams
from components.train.batch_size import (
    LARGEST,
    STEPS_AN_EPOCH,
    bytes_per_sample,
    free_memory,
    largest_batch,
    resolve_batch_size,
)
from components.train.machine import check_machine
from tests.components.trainings import make_workspace, train_here
from tests.places import REPOSITORY


def train(**chosen: object) -> TrainParams:
    return load_params(REPOSITORY / "params.yaml").train.model_copy(update=chosen)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"accelerator": "gpu"}, "this machine has none. Set it to auto or cpu"),
        ({"precision": "16-mixed"}, "16-mixed needs a GPU.*Set it to 32-true or bf16-mixed"),
    ],
)
def test_what_this_machine_lacks_is_told_before_any_work(chosen: dict[str, str], told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        check_machine(train(**chosen))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_what_any_machine_can_do_is_let_through(strategy: str, precision: str) -> None:
    check_machine(train(precision=precision, accelerator="cpu", devices=2, strategy=strategy))


@pytest.mark.parametrize(
    ("each", "free", "samples", "size"),
    [
        (1000, 2_000_000, 10**6, 512),
        (1000, 2_048_000, 10**6, 1024),
        (1000, 10**12, 1600, 64),
        (1, 10**15, 10**9, LARGEST),
        (10**9, 10**6, 10**6, 1),
        (1000, 10**9, 3, 1),
    ],
)
def test_the_largest_power_of_two_that_keeps_within_half_of_the_memory(
    each: int, free: int, samples: int, size: int
) -> None:
    assert largest_batch(each, free, samples) == size
    assert size == 1 or (size * each <= free / 2 and samples // size >= STEPS_AN_EPOCH)


def test_a_container_has_no_more_memory_than_its_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    assert free_memory(torch.device("cpu"), tmp_path) == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(torch.device("cpu"), tmp_path) > 10**6


def test_a_sample_costs_what_its_activations_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An mlp of 576 inputs and 4096 hidden units keeps its inputs, and the units before or after the activation."""
    network = {"name": "mlp", "dense": [4096], "activation": "relu", "dropout": 0.0}
    monkeypatch.chdir(make_workspace(tmp_path / "work", network=network))
    params, fitted = load_params(), Preprocessing.read(PREPARED / "preprocessing.json")
    samples = LabelledArrays.load(PREPARED / "train")
    each = bytes_per_sample(params.train, fitted, samples, torch.device("cpu"))
    assert 4 * 4096 < each < 2.5 * 2 * 4 * (4096 + 576 + 10)


def test_auto_is_found_once_and_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work", batch_size="auto", epochs=1))
    _, history = train_here(tmp_path / "state")
    assert len(history.epochs) == 1
    params, fitted = load_params(), Preprocessing.read(PREPARED / "preprocessing.json")
    size = resolve_batch_size(params, fitted, tmp_path / "state")
    assert size == 64, "1,300 samples leave an epoch its 16 steps with batches of 64"
    assert np.log2(size).is_integer()
