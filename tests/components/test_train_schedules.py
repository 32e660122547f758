"""Each learning rate against its closed form at every step, and against torch's own where torch has one."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)

from components.params.sections import (
    ConstantParams,
    CosineParams,
    ExponentialParams,
    OneCycleParams,
    PlateauParams,
    PolynomialParams,
    ScheduleParams,
    StepParams,
    WarmupParams,
)
from components.train.schedules import Plateau, Schedule, build_schedule
from tests.components.trainings import make_workspace, train_here

PEAK, EPOCHS, AN_EPOCH = 0.2, 6, 10
STEPS = EPOCHS * AN_EPOCH
CONSTANT = ConstantParams(name="constant")
STEP = StepParams(name="step", every_epochs=2, factor=0.3)
EXPONENTIAL = ExponentialParams(name="exponential", factor=0.5)
POLYNOMIAL = PolynomialParams(name="polynomial", power=2.0, floor=0.1)
COSINE = CosineParams(name="cosine", floor=0.05)
ONE_CYCLE = OneCycleParams(name="one_cycle", warmup_share=0.3)
PLATEAU = PlateauParams(name="plateau", patience=1, factor=0.1)


def one_cycle(step: int) -> float:
    rise, end = 0.3 * STEPS - 1, STEPS - 1
    if step <= rise:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / rise)) / 2
    return 1 / 25e4 + (1 - 1 / 25e4) * (1 + math.cos(math.pi * (step - rise) / (end - rise))) / 2


CLOSED: list[tuple[ScheduleParams, Callable[[int], float]]] = [
    (CONSTANT, lambda step: 1.0),
    (STEP, lambda step: 0.3 ** (step // (2 * AN_EPOCH))),
    (EXPONENTIAL, lambda step: 0.5 ** (step / AN_EPOCH)),
    (POLYNOMIAL, lambda step: 0.1 + 0.9 * (1 - step / STEPS) ** 2),
    (COSINE, lambda step: 0.05 + 0.95 * (1 + math.cos(math.pi * step / STEPS)) / 2),
    (ONE_CYCLE, one_cycle),
    (PLATEAU, lambda step: 1.0),  # without a score it never falls
]
NAMES = [params.name for params, _ in CLOSED]


def sgd(**others: float) -> SGD:
    return SGD([nn.Parameter(torch.zeros(1))], lr=PEAK, **others)


def rates(optimizer: Optimizer, schedule: LRScheduler, steps: int = STEPS) -> list[float]:
    """The learning rate that each step was taken with."""
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return used


def rates_of(params: ScheduleParams, warmup: WarmupParams | None = None) -> list[float]:
    optimizer = sgd()
    return rates(optimizer, build_schedule(params, warmup, optimizer, STEPS, EPOCHS)[0])


@pytest.mark.parametrize(("params", "closed"), CLOSED, ids=NAMES)
def test_every_step_follows_the_closed_form(params: ScheduleParams, closed: Callable[[int], float]) -> None:
    assert rates_of(params) == pytest.approx([PEAK * closed(step) for step in range(STEPS)], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize(("params", "closed"), CLOSED, ids=NAMES)
def test_a_warmup_multiplies_any_of_them(params: ScheduleParams, closed: Callable[[int], float], shape: str) -> None:
    length = 1.5 * AN_EPOCH
    rise = {
        "linear": lambda share: share,
        "cosine": lambda share: (1 - math.cos(math.pi * share)) / 2,
    }[shape]
    expected = [PEAK * closed(step) * rise(min(1.0, (step + 1) / length)) for step in range(STEPS)]
    warmup = WarmupParams.model_validate({"shape": shape, "epochs": 1.5})
    assert rates_of(params, warmup) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def torchs(name: str, optimizer: Optimizer) -> LRScheduler:
    match name:
        case "cosine":
            return CosineAnnealingLR(optimizer, STEPS, eta_min=0.05 * PEAK)
        case "polynomial":
            return PolynomialLR(optimizer, STEPS, power=2.0)
        case "step":
            return StepLR(optimizer, 2 * AN_EPOCH, gamma=0.3)
        case "exponential":
            return ExponentialLR(optimizer, 0.5 ** (1 / AN_EPOCH))
    raise ValueError(name)


@pytest.mark.parametrize(
    "params", [COSINE, POLYNOMIAL.model_copy(update={"floor": 0.0}), STEP, EXPONENTIAL], ids=lambda params: params.name
)
def test_they_are_those_of_torch(params: ScheduleParams) -> None:
    optimizer = sgd()
    assert rates_of(params) == pytest.approx(rates(optimizer, torchs(params.name, optimizer)), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_one_cycle_is_that_of_torch_with_its_momentum(share: float) -> None:
    ours, theirs = sgd(momentum=0.9), sgd(momentum=0.9)
    schedule, _ = build_schedule(OneCycleParams(name="one_cycle", warmup_share=share), None, ours, STEPS, EPOCHS)
    expected = OneCycleLR(theirs, PEAK, total_steps=STEPS, pct_start=share)
    for step in range(STEPS):
        for name in ("lr", "momentum"):
            assert ours.param_groups[0][name] == pytest.approx(theirs.param_groups[0][name], rel=1e-9), (name, step)
        ours.step(), theirs.step()
        schedule.step()
        if step < STEPS - 1:  # torch's own refuses a step beyond the last one
            expected.step()


def test_one_cycle_moves_beta1_of_adam() -> None:
    ours, theirs = (Adam([nn.Parameter(torch.zeros(1))], lr=PEAK, betas=(0.9, 0.99)) for _ in range(2))
    schedule, _ = build_schedule(ONE_CYCLE, None, ours, STEPS, EPOCHS)
    expected = OneCycleLR(theirs, PEAK, total_steps=STEPS, pct_start=0.3)
    for _ in range(STEPS - 1):
        assert ours.param_groups[0]["betas"] == pytest.approx(theirs.param_groups[0]["betas"], rel=1e-9)
        ours.step(), theirs.step()
        schedule.step(), expected.step()


@pytest.mark.parametrize("patience", [0, 1, 2])
def test_a_plateau_falls_when_that_of_torch_falls(patience: int) -> None:
    ours, theirs = sgd(), sgd()
    params = PlateauParams(name="plateau", patience=patience, factor=0.5)
    schedule, plateau = build_schedule(params, None, ours, STEPS, EPOCHS)
    expected = ReduceLROnPlateau(
        theirs, mode="max", factor=0.5, patience=patience, threshold=0, threshold_mode="abs", eps=0
    )
    assert plateau is not None
    for score in (0.1, 0.3, 0.3, 0.2, 0.25, 0.4, 0.39, 0.4, 0.1, 0.1, 0.1, 0.5):
        plateau.see(score)
        schedule.refresh()
        expected.step(score)
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]


def test_a_plateau_that_is_gone_on_with_waits_no_longer() -> None:
    whole, first = Plateau(PLATEAU), Plateau(PLATEAU)
    scores = [0.5, 0.4, 0.4, 0.3, 0.3, 0.3]
    for score in scores:
        whole.see(score)
    for score in scores[:3]:
        first.see(score)
    resumed = Plateau(PLATEAU)
    resumed.load_state_dict(first.state_dict())
    for score in scores[3:]:
        resumed.see(score)
    assert resumed.state_dict() == whole.state_dict()
    assert resumed.scale == pytest.approx(0.01)


def test_a_group_keeps_its_own_peak() -> None:
    """A pretrained backbone learns at a share of the rate throughout."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.2, 0.02)]
    optimizer = SGD(groups, lr=1.0)
    schedule, _ = build_schedule(COSINE, None, optimizer, STEPS, EPOCHS)
    for _ in range(STEPS):
        head, backbone = (group["lr"] for group in optimizer.param_groups)
        assert head == pytest.approx(10 * backbone)
        optimizer.step()
        schedule.step()


def test_a_schedule_is_gone_on_with_where_it_was() -> None:
    whole, resumed = sgd(), sgd()
    schedule, _ = build_schedule(COSINE, None, whole, STEPS, EPOCHS)
    rates(whole, schedule, 25)
    again, _ = build_schedule(COSINE, None, resumed, STEPS, EPOCHS)
    again.load_state_dict(schedule.state_dict())
    resumed.load_state_dict(whole.state_dict())
    assert rates(resumed, again, 20) == rates(whole, schedule, 20)


class Rates(Callback):
    """The learning rate of each optimizer step, as the trainer leaves it."""

    def __init__(self) -> None:
        self.used: list[float] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        self.used.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("accumulated", [1, 3])
def test_a_training_takes_every_step_at_the_rate_of_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulated: int
) -> None:
    """40 batches an epoch: 40 steps, or 14, the last of them with one batch."""
    schedule, warmup = {"name": "polynomial", "power": 1.0, "floor": 0.0}, {"shape": "linear", "epochs": 0.5}
    chosen = {"epochs": 2, "schedule": schedule, "warmup": warmup, "accumulate_batches": accumulated}
    monkeypatch.chdir(make_workspace(tmp_path / "work", **chosen))
    seen = Rates()
    module, _ = train_here(tmp_path / "state", [seen])
    an_epoch = math.ceil(40 / accumulated)
    steps, rise, peak = 2 * an_epoch, round(an_epoch / 2), module.params.train.optimizer.learning_rate
    assert seen.used == pytest.approx(
        [peak * (1 - step / steps) * min(1.0, (step + 1) / rise) for step in range(steps)]
    )


def test_a_plateau_lowers_the_rate_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step so small that no epoch gains: the rate falls after the second epoch, and after the third."""
    still = {"name": "sgd", "learning_rate": 1e-9, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    plateau = {"name": "plateau", "patience": 0, "factor": 0.5}
    network = {"name": "mlp", "dense": [8], "activation": "relu", "dropout": 0.0}
    monkeypatch.chdir(
        make_workspace(tmp_path / "work", epochs=4, optimizer=still, schedule=plateau, network=network, batch_size=300)
    )
    seen = Rates()
    _, history = train_here(tmp_path / "state", [seen])
    assert len({row["validation_score"] for row in history.epochs}) == 1
    assert seen.used == pytest.approx([1e-9] * 8 + [0.5e-9] * 4 + [0.25e-9] * 4)


def test_a_schedule_changes_nothing_but_the_rate() -> None:
    optimizer = sgd(momentum=0.7)
    schedule, _ = build_schedule(COSINE, None, optimizer, STEPS, EPOCHS)
    rates(optimizer, schedule)
    assert optimizer.param_groups[0]["momentum"] == 0.7
    assert isinstance(schedule, Schedule)
