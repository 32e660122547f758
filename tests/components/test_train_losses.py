"""The losses and penalties against their formulas and against torch's and scikit-learn's own."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import ClassTarget, Target, ValueTarget
from components.errors import ParamsError
from components.params.sections import (
    CrossEntropyParams,
    ErrorParams,
    FocalParams,
    HuberParams,
    LossParams,
    RegularisationParams,
)
from components.train.losses import build_loss, penalty

CLASSES = ClassTarget(labels=("a", "b", "c"), counts=(10, 30, 60))
VALUES = ValueTarget(name="price", mean=5.0, std=2.0, low=0.0, high=9.0)
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 0.0], [1.0, 1.0, 1.0]])
LABELS = torch.tensor([0, 2, 0, 1])


def cross_entropy(smoothing: float = 0.0, weights: str = "none") -> CrossEntropyParams:
    return CrossEntropyParams.model_validate(
        {"name": "cross_entropy", "label_smoothing": smoothing, "class_weights": weights}
    )


def focal(gamma: float, weights: str = "none") -> FocalParams:
    return FocalParams.model_validate({"name": "focal", "gamma": gamma, "class_weights": weights})


def test_cross_entropy_is_the_mean_of_minus_log_p() -> None:
    p = LOGITS.softmax(dim=1)[torch.arange(4), LABELS]
    torch.testing.assert_close(build_loss(cross_entropy(), CLASSES)(LOGITS, LABELS), -p.log().mean())


def test_label_smoothing_is_the_cross_entropy_of_softened_labels() -> None:
    soft = 0.9 * functional.one_hot(LABELS, 3) + 0.1 / 3
    expected = -(soft * LOGITS.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(build_loss(cross_entropy(0.1), CLASSES)(LOGITS, LABELS), expected)


@pytest.mark.parametrize("params", [cross_entropy(weights="balanced"), focal(0, "balanced")], ids=["ce", "focal"])
def test_balanced_weights_are_those_of_scikit_learn(params: LossParams) -> None:
    truth = np.array([0] * 10 + [1] * 30 + [2] * 60)
    weights = torch.tensor(compute_class_weight("balanced", classes=np.arange(3), y=truth), dtype=torch.float32)
    expected = functional.cross_entropy(LOGITS, LABELS, weight=weights)
    torch.testing.assert_close(build_loss(params, CLASSES)(LOGITS, LABELS), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_loss_is_its_formula(gamma: float) -> None:
    p = LOGITS.softmax(dim=1)[torch.arange(4), LABELS]
    expected = -((1 - p) ** gamma * p.log()).mean()
    torch.testing.assert_close(build_loss(focal(gamma), CLASSES)(LOGITS, LABELS), expected)


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    torch.testing.assert_close(
        build_loss(focal(0), CLASSES)(LOGITS, LABELS), build_loss(cross_entropy(), CLASSES)(LOGITS, LABELS)
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_has_a_gradient_where_an_answer_is_certain(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0], [0.0, 200.0, 0.0]], requires_grad=True)
    build_loss(focal(gamma), CLASSES)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("params", "formula"),
    [
        (ErrorParams(name="mse"), lambda error: error**2),
        (ErrorParams(name="mae"), lambda error: error.abs()),
        (
            HuberParams(name="huber", delta=0.5),
            lambda error: torch.where(error.abs() <= 0.5, error**2 / 2, 0.5 * (error.abs() - 0.25)),
        ),
    ],
    ids=["mse", "mae", "huber"],
)
def test_errors_of_values_are_their_formulas(params: LossParams, formula: object) -> None:
    values, labels = torch.tensor([[0.1], [2.0], [-1.0]]), torch.tensor([0.0, 1.7, 1.5])
    error = values[:, 0] - labels
    torch.testing.assert_close(build_loss(params, VALUES)(values, labels), formula(error).mean())  # type: ignore[operator]


@pytest.mark.parametrize(
    ("params", "target"), [(ErrorParams(name="mse"), CLASSES), (cross_entropy(), VALUES)], ids=["mse", "cross_entropy"]
)
def test_a_loss_for_another_target_is_refused(params: LossParams, target: Target) -> None:
    with pytest.raises(ParamsError, match=f"{params.name} is not for {target.kind}"):
        build_loss(params, target)


def layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, 1))


def test_penalties_are_sums_over_weights_alone() -> None:
    network = layers()
    weights = torch.cat([network[0].weight.flatten(), network[3].weight.flatten()])  # type: ignore[index]
    found = penalty(RegularisationParams(l1=0.3, l2=0.2), network)
    torch.testing.assert_close(found, 0.3 * weights.abs().sum() + 0.1 * weights.square().sum())
    assert penalty(RegularisationParams(l1=0, l2=0), network) == 0.0


def test_frozen_weights_are_not_penalised() -> None:
    network = layers()
    network[0].requires_grad_(False)  # type: ignore[index]
    found = penalty(RegularisationParams(l1=1, l2=0), network)
    torch.testing.assert_close(found, network[3].weight.abs().sum())  # type: ignore[index]


def test_l2_passes_through_the_optimizer_and_decoupled_decay_does_not() -> None:
    """One step of Adam: L2's gradient is normalised away to the size of the step; AdamW's decay is lr · λ · w."""
    step = {}
    for name, optimizer, factor in (("l2", torch.optim.Adam, 0.1), ("decoupled", torch.optim.AdamW, 0.0)):
        weight = nn.Linear(1, 1, bias=False)
        nn.init.constant_(weight.weight, 2.0)
        decay = {} if name == "l2" else {"weight_decay": 0.1}
        steps = optimizer(weight.parameters(), lr=0.01, **decay)
        loss = penalty(RegularisationParams(l1=0, l2=factor), weight)
        (weight.weight.sum() * 0 + loss).backward()
        steps.step()
        step[name] = 2.0 - weight.weight.item()
    assert step["l2"] == pytest.approx(0.01, rel=1e-4), "the whole step, however small the factor"
    assert step["decoupled"] == pytest.approx(0.01 * 0.1 * 2.0, rel=1e-4)


def fitted_weights(regularisation: RegularisationParams) -> Tensor:
    """Weights of a line through 20 features of which 3 matter, after proximal-free gradient descent with a penalty."""
    torch.manual_seed(0)
    features = torch.randn(200, 20)
    values = features[:, :3] @ torch.tensor([2.0, -1.0, 0.5]) + 0.1 * torch.randn(200)
    line = nn.Linear(20, 1)
    steps = torch.optim.SGD(line.parameters(), lr=0.01)
    for step in range(2000):
        for group in steps.param_groups:
            group["lr"] = 0.01 * (1 - step / 2000)
        loss = functional.mse_loss(line(features)[:, 0], values) + penalty(regularisation, line)
        steps.zero_grad()
        loss.backward()
        steps.step()
    return line.weight.detach()[0]


def test_l1_makes_more_zeros_than_l2() -> None:
    lasso, ridge = (
        fitted_weights(RegularisationParams(l1=0.2, l2=0)),
        fitted_weights(RegularisationParams(l1=0, l2=0.4)),
    )
    zeros = {"l1": int((lasso.abs() < 1e-3).sum()), "l2": int((ridge.abs() < 1e-3).sum())}
    assert zeros["l1"] >= 15
    assert zeros["l2"] <= 5
    assert (lasso[:3].abs() > 0.3).all(), "what matters is kept"
