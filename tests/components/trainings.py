"""Workspaces that hold what stage ``train`` reads, and trainings in this process and in one of their own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from ruamel.yaml import YAML

from components.contracts import PREPARED, Preprocessing
from components.params import Params, load_params
from components.train.history import History
from components.train.learner import Learner
from components.train.run import fit
from tests.digits import write_prepared
from tests.places import REPOSITORY

PATIENCE = 600.0
"""Seconds that a program may take which trains: several times what it does where both processors are taken."""
SMALL_CNN = {
    "name": "cnn", "filters": [8, 8, 8], "dense": [16], "activation": "relu", "batch_norm": True, "dropout": 0.3,
}  # fmt: skip
SMALL_MLP = {"name": "mlp", "dense": [16], "activation": "relu", "dropout": 0.0}
SHORT: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 32,
    "checkpoint_every_steps": 7,
    "precision": "32-true",
    "accelerator": "cpu",
    "early_stopping": None,
    "network": SMALL_CNN,
}
UNCHANGED: dict[str, Any] = {
    name: {"range": 0, "probability": 0} for name in ("rotation", "width_shift", "height_shift")
}
"""An augmentation that leaves the samples as they are."""
GRAPH = """
stages:
  train:
    cmd: exec python -m components.train
    deps: [data/prepared, data/augmented]
    params: [name, task, seed, augment, train]
    outs: [models/train, reports/train]
"""


def write_params(root: Path, augment: dict[str, Any] | None = None, **train: object) -> Params:
    """The digits preset with other values in ``augment`` and ``train``, and the one stage that is run here."""
    yaml = YAML(typ="safe", pure=True)
    document = yaml.load(REPOSITORY / "presets" / "digits.yaml")
    document["fetch"]["weights"] = "data/checkpoints/vit"  # what gives data/fetched/vit, where a test has put one
    document["augment"] |= augment or {}
    document["train"] |= train
    yaml.dump(document, root / "params.yaml")
    (root / "dvc.yaml").write_text(GRAPH)
    return load_params(root / "params.yaml")


def make_workspace(root: Path, augment: dict[str, Any] | None = None, **train: object) -> Path:
    """The digits, prepared, and params for a short training of a small network."""
    root.mkdir(exist_ok=True)
    write_prepared(root)
    (root / "components").symlink_to(REPOSITORY / "components")
    write_params(root, augment, **SHORT | train)
    return root


def start(root: Path) -> subprocess.Popen[str]:
    """The stage as a process of its own."""
    environment = os.environ | {"TUNESMITH_THREADS": "1", "TUNESMITH_HOME": str(root / ".tunesmith")}
    command = [sys.executable, "-m", "components.train"]
    return subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


class Killed(Callback):
    """Ends a training in the middle of a step, as if it were killed there."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, pl_module: Learner, batch: object, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            raise MemoryError


def train_here(state: Path, callbacks: Sequence[Callback] = ()) -> tuple[Learner, History]:
    """Trains in the workspace that is the working directory."""
    params, fitted, history = load_params(), Preprocessing.read(PREPARED / "preprocessing.json"), History()
    return fit(params, fitted, state, [history, *callbacks]), history
