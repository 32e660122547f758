"""A program of two processes that ``test_train_sharding.py`` starts: trainings and networks, sharded by both.

``python -m tests.components.two_processes <folder>`` with LOCAL_RANK, MASTER_ADDR and MASTER_PORT set. The folder holds
one workspace a training; each gets its last weights as ``last.safetensors``, and the folder what the networks answered
as ``networks.json``.
"""

import contextlib
import copy
import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from components.nets import build_preprocess
from components.params.sections import RegularisationParams
from components.train.learner import Learner
from components.train.losses import penalty
from components.train.run import network_weights
from components.train.sharding import blocks, shard, whole
from components.train.state import BEST, RESUME
from tests.components.nets_samples import NETWORKS, network, raw_samples, without_dropout
from tests.components.trainings import Killed, train_here

RANK = int(os.environ["LOCAL_RANK"])
EACH = 4
"""Samples of a process."""
PENALTIES = RegularisationParams(l1=0.01, l2=0.1)


class Answers(Callback):
    """Notes in which precision the network answers."""

    def __init__(self) -> None:
        self.types: set[torch.dtype] = set()

    def on_train_start(self, trainer: Trainer, pl_module: Learner) -> None:
        pl_module.network.head.register_forward_hook(lambda _, inputs, answers: self.types.add(answers.dtype))


def train(root: Path) -> None:
    """Trains in a workspace; where a file says after which step, the training is killed there and goes on."""
    os.chdir(root)
    if (root / "killed_at").exists():
        with contextlib.suppress(MemoryError):
            train_here(root / "state", [Killed(int((root / "killed_at").read_text()))])
    answers = Answers()
    module, history = train_here(root / "state", [answers])
    assert (module.device_mesh is None) == (module.params.train.strategy == "ddp")
    is_mixed = module.params.train.precision == "bf16-mixed"
    assert answers.types == {torch.bfloat16 if is_mixed else torch.float32}
    if RANK == 0:
        for name, checkpoint in (("last", RESUME), ("best", BEST)):
            (root / f"{name}.safetensors").write_bytes(network_weights(root / "state" / checkpoint))
        (root / "history.json").write_text(json.dumps(history.epochs))


def differences(mesh: DeviceMesh) -> dict[str, float]:
    """Of each network, how far the gradients that two processes share are from the mean of those of whole networks.

    As a share of the largest gradient.
    """
    return {name: difference(name, mesh) for name in NETWORKS}


def difference(name: str, mesh: DeviceMesh) -> float:
    params, inputs = NETWORKS[name]
    alone = network(without_dropout(params), inputs)
    shared = copy.deepcopy(alone)
    assert any(True for _ in blocks(shared)), "its layers are blocks of their own"
    shard(shared, mesh)
    samples = build_preprocess(inputs)(raw_samples(inputs, 2 * EACH)[RANK * EACH :][:EACH])
    found, expected = gradients(shared, samples), gradients(alone, samples)
    for gradient in expected:
        torch.distributed.all_reduce(gradient.div_(2))
    largest = max(float(gradient.abs().max()) for gradient in expected)
    return max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)) / largest


def gradients(net: nn.Module, samples: Tensor) -> list[Tensor]:
    (net(samples).square().mean() + penalty(PENALTIES, net)).backward()
    return [whole(weight.grad) for weight in net.parameters()]


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    for root in sorted(path for path in folder.iterdir() if path.is_dir()):
        train(root)
    found = differences(init_device_mesh("cpu", (2,)))
    if RANK == 0:
        (folder / "networks.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
