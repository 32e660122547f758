"""The optimizers against their formulas, written out by hand on a network of one weight and on small ones."""

import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from components.contracts import PREPARED, Preprocessing
from components.nets import Network
from components.nets.network import Body
from components.params import load_params
from components.params.sections import (
    AdamParams,
    AdamWParams,
    OptimizerParams,
    PretrainedParams,
    RmspropParams,
    SgdParams,
    TrainParams,
)
from components.train.learner import Learner
from components.train.optimizers import build_optimizer, parameter_groups
from tests.components.trainings import UNCHANGED, make_workspace, train_here
from tests.places import REPOSITORY

RATE = 0.1


def sgd(momentum: float = 0.0, *, nesterov: bool = False, decay: float = 0.0) -> SgdParams:
    return SgdParams(name="sgd", learning_rate=RATE, momentum=momentum, nesterov=nesterov, weight_decay=decay)


def adamw(decay: float) -> AdamWParams:
    return AdamWParams(name="adamw", learning_rate=RATE, beta1=0.9, beta2=0.999, weight_decay=decay)


RMSPROP = RmspropParams(name="rmsprop", learning_rate=RATE, smoothing=0.9, momentum=0.0)
ADAM = AdamParams(name="adam", learning_rate=RATE, beta1=0.9, beta2=0.999)


class Flat(Body):
    """A body that gives what it is given, after a normalisation."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.norm = nn.BatchNorm1d(features)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, features) -> (batch, features)."""
        normed: Tensor = self.norm(rows)
        return normed


def small(features: int = 4) -> Network:
    torch.manual_seed(0)
    return Network(Flat(features), nn.Linear(features, 2))


def train_params(optimizer: OptimizerParams) -> TrainParams:
    return load_params(REPOSITORY / "params.yaml").train.model_copy(update={"optimizer": optimizer})


def walk(optimizer: OptimizerParams, gradients: list[float]) -> list[float]:
    """The first weight of the head after each step, when its gradient is what is given and it begins at 1."""
    network = small()
    with torch.no_grad():
        network.head.weight.fill_(1.0)
    steps = build_optimizer(train_params(optimizer), network)
    seen = []
    for gradient in gradients:
        for weight in network.parameters():
            weight.grad = torch.full_like(weight, gradient)
        steps.step()
        seen.append(float(network.head.weight[0, 0]))
    return seen


def test_plain_gradient_descent_goes_down_the_gradient() -> None:
    assert walk(sgd(), [1.0, 2.0, -4.0]) == pytest.approx([0.9, 0.7, 1.1])


def test_the_first_three_steps_of_momentum() -> None:
    """v ← 0.5 v + g: 1, 2.5, -2.75."""
    assert walk(sgd(0.5), [1.0, 2.0, -4.0]) == pytest.approx([1 - 0.1, 0.9 - 0.25, 0.65 + 0.275])


def test_the_first_three_steps_of_nesterov() -> None:
    """The step is g + 0.5 v, v as with momentum: 1.5, 3.25, -5.375."""
    assert walk(sgd(0.5, nesterov=True), [1.0, 2.0, -4.0]) == pytest.approx([0.85, 0.525, 1.0625])


def test_the_first_two_steps_of_rmsprop() -> None:
    """S ← 0.9 s + 0.1 g²; the step is g / √s."""
    first = 0.1 * 1.0**2
    second = 0.9 * first + 0.1 * 2.0**2
    one = 1 - RATE * 1.0 / math.sqrt(first)
    assert walk(RMSPROP, [1.0, 2.0]) == pytest.approx([one, one - RATE * 2.0 / math.sqrt(second)], rel=1e-5)


def test_the_first_two_steps_of_adam() -> None:
    """The means of g and g², each divided by 1 - βᵗ (Kingma & Ba 2015, algorithm 1)."""
    one = 1 - RATE
    mean = (0.9 * 0.1 * 1.0 + 0.1 * 2.0) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 1.0 + 0.001 * 4.0) / (1 - 0.999**2)
    assert walk(ADAM, [1.0, 2.0]) == pytest.approx([one, one - RATE * mean / math.sqrt(square)], rel=1e-5)


def test_adamw_decays_apart_from_the_gradient() -> None:
    """W ← w - lr · λ · w, whatever the gradient's scale, then Adam's step (Loshchilov & Hutter 2019, algorithm 2)."""
    assert walk(adamw(0.5), [1.0])[0] == pytest.approx(1 - RATE * 0.5 - RATE, rel=1e-5)
    assert walk(adamw(0.5), [1000.0])[0] == pytest.approx(1 - RATE * 0.5 - RATE, rel=1e-5)
    assert walk(adamw(0.5), [0.0])[0] == pytest.approx(1 - RATE * 0.5, rel=1e-5)


@pytest.mark.parametrize("optimizer", [sgd(0.9, decay=0.3), adamw(0.3)], ids=["sgd", "adamw"])
def test_biases_and_normalisation_are_never_decayed(optimizer: OptimizerParams) -> None:
    network = small()
    groups = parameter_groups(train_params(optimizer), network)
    decay = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    assert {name: decay[id(weight)] for name, weight in network.named_parameters()} == {
        "body.norm.weight": 0.0,
        "body.norm.bias": 0.0,
        "head.weight": 0.3,
        "head.bias": 0.0,
    }


@pytest.mark.parametrize("optimizer", [sgd(), sgd(0.9), sgd(0.9, nesterov=True), RMSPROP, ADAM, adamw(0.01)])
def test_every_optimizer_goes_down(optimizer: OptimizerParams) -> None:
    network = small()
    steps = build_optimizer(train_params(optimizer), network)
    losses = []
    for _ in range(60):
        loss = (network(torch.eye(4)) - torch.tensor([3.0, -1.0])).square().mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5


class Backed(Network):
    """A network whose body counts as a pretrained backbone."""

    @property
    def backbone(self) -> nn.Module:
        """The body."""
        return self.body


def test_a_pretrained_backbone_has_a_rate_of_its_own() -> None:
    network = Backed(Flat(4), nn.Linear(4, 2))
    pretrained = PretrainedParams(
        name="pretrained", checkpoint="x", frozen_epochs=0, backbone_rate=0.1, input_side=None, dropout=0.0
    )
    train = train_params(sgd(0.9)).model_copy(update={"network": pretrained})
    rates = {id(weight): group["lr"] for group in parameter_groups(train, network) for weight in group["params"]}
    assert {rates[id(weight)] for weight in network.body.parameters()} == {RATE * 0.1}
    assert {rates[id(weight)] for weight in network.head.parameters()} == {RATE}


def moved(root: Path, monkeypatch: pytest.MonkeyPatch, **train: Any) -> Tensor:
    """How far the weights of a small network went in one step of plain gradient descent from the same start."""
    plain = {"name": "sgd", "learning_rate": 1.0, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    network = {"name": "mlp", "dense": [8], "activation": "relu", "dropout": 0.0}
    fixed = {"optimizer": plain, "schedule": {"name": "constant"}, "network": network, "epochs": 1}
    monkeypatch.chdir(make_workspace(root, UNCHANGED, **fixed | train))
    module, _ = train_here(root / "state")
    lightning.seed_everything(module.params.seed, verbose=False)
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    start = Learner(module.params, fitted, module.samples, module.batch_size)
    pairs = zip(module.network.parameters(), start.network.parameters(), strict=True)
    return torch.cat([(after - before).flatten().detach() for after, before in pairs])


def test_a_gradient_is_clipped_to_its_norm_or_entry_by_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step at rate 1 moves the weights by the gradient itself."""
    whole_epoch = {"batch_size": 1300}
    free = moved(tmp_path / "free", monkeypatch, **whole_epoch)
    by_norm = moved(tmp_path / "norm", monkeypatch, gradient_clip={"norm": 0.1, "value": 0}, **whole_epoch)
    by_value = moved(tmp_path / "value", monkeypatch, gradient_clip={"norm": 0, "value": 0.01}, **whole_epoch)
    assert free.norm() > 0.2
    torch.testing.assert_close(by_norm, free * 0.1 / free.norm(), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(by_value, free.clamp(-0.01, 0.01), rtol=1e-3, atol=1e-6)


def test_accumulated_batches_are_one_large_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = moved(tmp_path / "large", monkeypatch, batch_size=1300)
    parts = moved(tmp_path / "parts", monkeypatch, batch_size=130, accumulate_batches=10)
    torch.testing.assert_close(parts, large, rtol=1e-3, atol=1e-6)
