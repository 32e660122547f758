"""The learning rate over the steps: a factor of the peak as a function of the step, in closed form."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

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

Factor = Callable[[int], float]
START, END = 1 / 25, 1 / 25e4
"""Of the peak, where one-cycle starts and ends; the defaults of torch's OneCycleLR."""
HIGH_MOMENTUM, LOW_MOMENTUM = 0.95, 0.85
"""One-cycle's momentum at the lowest and at the highest learning rate (Smith & Topin 2019, section 3)."""


class Plateau:
    """Falls by a factor where the score has not risen for ``patience`` epochs and one, as ReduceLROnPlateau does.

    Attributes:
        scale: what the learning rate is multiplied by now.
    """

    def __init__(self, params: PlateauParams) -> None:
        self.params = params
        self.scale, self.best, self.waited = 1.0, -math.inf, 0

    def see(self, score: float) -> None:
        """Takes note of an epoch's validation score."""
        if score > self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited > self.params.patience:
            self.scale, self.waited = self.scale * self.params.factor, 0

    def state_dict(self) -> dict[str, float]:
        """What a resumed training needs to know; -inf as a very small number, which JSON can hold."""
        return {"scale": self.scale, "best": max(self.best, -1e308), "waited": self.waited}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Goes on where :meth:`state_dict` was."""
        self.scale, self.best, self.waited = state["scale"], state["best"], int(state["waited"])


def schedule_factor(params: ScheduleParams, steps: int, epochs: int) -> Factor:
    """Factor of the peak learning rate at each step, from 0.

    Args:
        params: the section; a plateau's factor is not known ahead, and is 1 here.
        steps: optimizer steps of all epochs.
        epochs: number of epochs.
    """
    an_epoch = steps / epochs
    match params:
        case ConstantParams() | PlateauParams():
            return lambda step: 1.0
        case StepParams(every_epochs=every, factor=factor):
            return lambda step: factor ** int(step / an_epoch / every + 1e-9)
        case ExponentialParams(factor=factor):
            return lambda step: factor ** (step / an_epoch)
        case PolynomialParams(power=power, floor=floor):
            return lambda step: floor + (1 - floor) * (1 - min(step, steps) / steps) ** power
        case CosineParams(floor=floor):
            return lambda step: floor + (1 - floor) * (1 + math.cos(math.pi * min(step, steps) / steps)) / 2
        case OneCycleParams():
            return lambda step: one_cycle(params, steps, step, START, 1.0, END)


def one_cycle(params: OneCycleParams, steps: int, step: int, start: float, peak: float, end: float) -> float:
    """Half a cosine from start to peak, half a cosine from peak to end, as torch's OneCycleLR counts the steps."""
    # Torch divides by the steps of the rise less one, so that it must not be one step; nor may it be all of them.
    rise = min(max(2.0, params.warmup_share * steps), steps - 0.5) - 1
    if step <= rise:
        return _cosine(start, peak, step / rise)
    return _cosine(peak, end, min(1.0, (step - rise) / (steps - 1 - rise)))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def warmup_factor(params: WarmupParams | None, steps: int, epochs: int) -> Factor:
    """What the schedule is multiplied by: after step s of W, (s + 1) / W, or (1 - cos(π (s + 1) / W)) / 2; then 1."""
    if params is None:
        return lambda step: 1.0
    length = max(1, round(params.epochs * steps / epochs))
    if params.shape == "linear":
        return lambda step: min(1.0, (step + 1) / length)
    return lambda step: (1 - math.cos(math.pi * min(1.0, (step + 1) / length))) / 2


class Schedule(LRScheduler):
    """Sets every group's learning rate to its peak times the factor of the step; its state is the step alone.

    Attributes:
        factor: of the peak, by step.
        momentum: of the optimizer, by step; None: it stays as it is.
    """

    def __init__(self, optimizer: Optimizer, factor: Factor, momentum: Factor | None = None) -> None:
        self.factor, self.momentum = factor, momentum
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Of each group, at the present step."""
        return [peak * self.factor(self.last_epoch) for peak in self.base_lrs]

    def step(self, epoch: int | None = None) -> None:
        """Moves to the next step."""
        super().step(epoch)
        if self.momentum is not None:
            self._set_momentum(self.momentum(self.last_epoch))

    def refresh(self) -> None:
        """Sets the learning rates anew: what the factor depends on has changed."""
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate

    def _set_momentum(self, momentum: float) -> None:
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif group.get("momentum"):
                group["momentum"] = momentum

    def state_dict(self) -> dict[str, Any]:
        """The step, and the peaks."""
        return {"last_epoch": self.last_epoch, "base_lrs": self.base_lrs, "_step_count": self._step_count}


def build_schedule(
    params: ScheduleParams, warmup: WarmupParams | None, optimizer: Optimizer, steps: int, epochs: int
) -> tuple[Schedule, Plateau | None]:
    """The learning rate of the whole training, and what watches for a plateau, if that is asked for.

    Args:
        params: the section ``train.schedule``.
        warmup: the section ``train.warmup``.
        optimizer: whose learning rate is the peak.
        steps: optimizer steps of all epochs.
        epochs: number of epochs.
    """
    rise, base = warmup_factor(warmup, steps, epochs), schedule_factor(params, steps, epochs)
    plateau = Plateau(params) if isinstance(params, PlateauParams) else None

    def factor(step: int) -> float:
        return rise(step) * base(step) * (plateau.scale if plateau else 1.0)

    def momentum(step: int) -> float:
        return one_cycle(params, steps, step, HIGH_MOMENTUM, LOW_MOMENTUM, HIGH_MOMENTUM)  # type: ignore[arg-type]

    cycles = isinstance(params, OneCycleParams)
    return Schedule(optimizer, factor, momentum if cycles else None), plateau
