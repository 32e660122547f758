"""FSDP on two CPU processes: as one process, as DDP where a batch is normalised over its own samples, and resumed.

All that two processes do is done by one pair of them, so that they are started once.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, load_file
from torch import nn
from transformers import ViTConfig, ViTForImageClassification

from components.train.run import network_weights
from components.train.sharding import blocks
from components.train.state import RESUME
from flows.ports import free_port
from tests.components.nets_samples import NETWORKS, network
from tests.components.trainings import PATIENCE, SMALL_CNN, UNCHANGED, make_workspace, train_here
from tests.digits import SIDE
from tests.places import REPOSITORY

VIT = {"name": "vit", "patch": 8, "width": 16, "depth": 2, "heads": 2, "dropout": 0.0}
"""Its positions are one row, which cannot be split: only one process has them."""
PLAIN = SMALL_CNN | {"batch_norm": False, "dropout": 0.0}
SGD = {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.001}
EMA = {
    "network": PLAIN,
    "averaging": {"name": "ema", "decay": 0.9},
    "regularisation": {"l1": 1e-4, "l2": 1e-3},
    "gradient_clip": {"norm": 0.5, "value": 0},
    "accumulate_batches": 2,
    "checkpoint_every_steps": 2,
}
SWA = {
    "network": VIT,
    "optimizer": SGD,
    "averaging": {"name": "swa", "start_share": 0.3},
    "gradient_clip": {"norm": 0, "value": 0.02},
    "schedule": {"name": "constant"},
}
HALF = {
    "network": PLAIN,
    "optimizer": SGD | {"momentum": 0.0, "nesterov": False},
    "schedule": {"name": "constant"},
    "precision": "bf16-mixed",
    "epochs": 1,
}
"""Short and plain: what rounding to 16 bits makes of the last digit of a weight does not grow."""
FLAT = {
    "network": VIT,
    "optimizer": {"name": "rmsprop", "learning_rate": 1e-6, "smoothing": 0.9, "momentum": 0.5},
    "schedule": {"name": "plateau", "factor": 0.1, "patience": 0},
    "epochs": 3,
}
"""It learns so slowly that every epoch is on the plateau."""
BACKBONE = "data/fetched/vit"
FROZEN = {
    "network": {
        "name": "pretrained", "checkpoint": BACKBONE, "frozen_epochs": 1, "backbone_rate": 0.5, "input_side": None,
        "dropout": 0.0,
    },
}  # fmt: skip
"""The backbone learns in the second of two epochs."""
NORMED = {"averaging": {"name": "swa", "start_share": 0.9}}
"""Batch normalisation and dropout: only another pair of processes has the same batches.

The first epoch is validated with the statistics of the network, the second with those that SWA estimates.
"""
SHARED = {"epochs": 2, "batch_size": 50, "devices": 2, "strategy": "fsdp"}
ALONE = {"epochs": 2, "batch_size": 100}
AS_ONE = {"ema": EMA, "swa": SWA, "half": HALF, "flat": FLAT, "frozen": FROZEN}
KILLED_AT = 9
"""Of 14 steps, in the second epoch, one behind a checkpoint."""


def workspace(root: Path, **chosen: object) -> Path:
    """A workspace with a backbone without batch normalisation, as it lies on a hub."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(**sizes, image_size=SIDE, patch_size=8, hidden_dropout_prob=0.0)
    ViTForImageClassification(config).save_pretrained(root / BACKBONE)
    return make_workspace(root, UNCHANGED, **chosen)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes have trained; see the program that they run."""
    folder = tmp_path_factory.mktemp("shared")
    others = {"killed": EMA, "normed": NORMED, "normed by ddp": NORMED | {"strategy": "ddp"}}
    for name, chosen in (AS_ONE | others).items():
        workspace(folder / name, **SHARED | chosen)
    (folder / "killed" / "killed_at").write_text(str(KILLED_AT))
    processes = start_both(folder)
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    assert "Going on after step" in outputs[0]
    return folder


def start_both(folder: Path) -> list[subprocess.Popen[str]]:
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    environment = os.environ | address | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.components.two_processes", str(folder)]
    return [
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment | {"LOCAL_RANK": rank},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in ("0", "1")
    ]


def require_close(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]], atol: float) -> None:
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        np.testing.assert_allclose(found[name], weight, rtol=5 * atol, atol=atol, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tolerance"), {**dict.fromkeys(AS_ONE, 2e-4), "half": 5e-3}.items())
def test_two_processes_share_the_weights_and_end_as_one(
    shared: Path, name: str, tolerance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EMA, SWA, penalties, both rules of clipping, accumulation, bfloat16, a plateau, a backbone that is freed."""
    monkeypatch.chdir(workspace(tmp_path / "alone", **ALONE | AS_ONE[name]))
    _, history = train_here(tmp_path / "state")
    whole = load(network_weights(tmp_path / "state" / RESUME))
    require_close(load_file(shared / name / "last.safetensors"), whole, tolerance)
    curve = json.loads((shared / name / "history.json").read_text())
    for row, expected in zip(curve, history.epochs, strict=True):
        assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=tolerance)
        assert row["validation_score"] == pytest.approx(expected["validation_score"], abs=0.011)
        assert row["learning_rate"] == pytest.approx(expected["learning_rate"])


@pytest.mark.slow
def test_shared_weights_are_gone_on_with_after_a_kill(shared: Path) -> None:
    for name in ("last", "best"):
        whole, resumed = (load_file(shared / root / f"{name}.safetensors") for root in ("ema", "killed"))
        assert whole.keys() == resumed.keys()
        assert all(np.array_equal(value, resumed[key]) for key, value in whole.items())


@pytest.mark.slow
def test_statistics_of_a_batch_and_precision_are_those_of_ddp(shared: Path) -> None:
    """Statistics are those of the first process; where processes had their own, the score would be another."""
    for name in ("last", "best"):
        require_close(*(load_file(shared / root / f"{name}.safetensors") for root in ("normed", "normed by ddp")), 1e-3)
    fsdp, ddp = (json.loads((shared / root / "history.json").read_text()) for root in ("normed", "normed by ddp"))
    for row, expected in zip(fsdp, ddp, strict=True):
        assert row["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_every_network_with_penalties_are_the_mean_of_the_processes(shared: Path, name: str) -> None:
    assert json.loads((shared / "networks.json").read_text())[name] < 1e-5


def test_layers_and_blocks_of_layers_are_put_together_one_at_a_time() -> None:
    resnet = network(*NETWORKS["resnet"]).body
    assert list(blocks(resnet)) == [resnet.stem[0], *resnet.blocks]
    vit = network(*NETWORKS["vit"]).body
    assert list(blocks(vit)) == list(vit.encoder.blocks)
    nested = nn.ModuleList([nn.ModuleList([nn.Linear(2, 2), nn.LayerNorm(2)])])
    assert list(blocks(nested)) == [nested[0][0]], "a list in a list has no answer of its own; vectors stay together"
