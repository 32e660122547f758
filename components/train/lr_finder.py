"""A learning rate by a range test: Smith 2017 (arXiv:1506.01186, section 3.3), run as fastai's ``lr_find`` runs it."""

import contextlib
import itertools
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch

from components.contracts import AUGMENTED, PREPARED, Preprocessing, Record
from components.errors import DataError, TrainingError
from components.params import Params
from components.params.sections import ConstantParams, NoAveraging
from components.train.batch_size import find_batch_size
from components.train.data import Data
from components.train.learner import Learner
from components.train.machine import check_machine

LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 100
SMOOTHING = 0.9
"""Share of the running mean of the losses that a step keeps. At fastai's 0.98 the mean lags by half of the steps:
with small networks on the digits the suggestion was up to four times as high."""
DIVERGED = 4.0
"""The test ends where the smoothed loss is above so many times its best."""
FIRST, LAST = STEPS // 10, 5
"""Points that no rule looks at: of the first ones the mean is of a few batches, the last ones diverge."""
NEEDED = (
    PREPARED / "preprocessing.json",
    *(PREPARED / "train" / f"{part}.npy" for part in ("inputs", "labels", "ids")),
    AUGMENTED / "order.npy",
)


class Point(Record):
    """One step of a range test."""

    rate: float
    loss: float
    """Smoothed and bias-corrected; before the step was taken at that rate."""


class RangeTest(Record):
    """What a range test saw, and the learning rates that follow from it."""

    points: tuple[Point, ...]
    steepest: float
    """Where the loss falls fastest per decade of the rate, on its way to its lowest."""
    suggestion: float
    """A tenth of the rate at the lowest loss."""
    current: float
    """``train.optimizer.learning_rate``, as params.yaml has it."""


class Curve:
    """The points of a range test so far.

    Attributes:
        points: rates and smoothed losses.
        mean: exponential mean of the losses, which began at 0.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.mean = 0.0

    def add(self, loss: float) -> bool:
        """Takes the next loss, and says whether the test goes on.

        The mean is m ← β m + (1 - β) loss; divided by 1 - βᵗ it no longer leans to the 0 that it began at (Kingma & Ba
        2015, arXiv:1412.6980, section 3).
        """
        step = len(self.points)
        self.mean = SMOOTHING * self.mean + (1 - SMOOTHING) * loss
        smoothed = self.mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed):
            return False
        self.points.append(Point(rate=rate_at(step), loss=smoothed))
        return smoothed <= DIVERGED * min(point.loss for point in self.points)


def rate_at(step: int) -> float:
    """The rate of a step, from 0: LOWEST · (HIGHEST / LOWEST)^(step / (STEPS - 1))."""
    return float(LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1)))


def judge(points: Sequence[Point], current: float) -> RangeTest:
    """The learning rates that follow from a curve, by fastai's rules ``steep`` and ``minimum``.

    Args:
        points: of a range test.
        current: the rate of params.yaml.

    Raises:
        TrainingError: the loss diverged before it could fall, or never fell.
    """
    seen = points[FIRST:-LAST]
    if len(seen) < 2:
        raise TrainingError(
            f"The range test diverged at once, in step {len(points) + 1} of {STEPS}, at a learning rate of about "
            f"{rate_at(len(points)):.1g}: no rate follows from it. See in reports/validate whether the data is sound, "
            "or choose another train.loss or train.initialisation."
        )
    lowest = min(range(len(seen)), key=lambda place: seen[place].loss)
    if lowest == 0:
        raise TrainingError(
            f"The loss fell at no learning rate from {seen[0].rate:.1g} to {seen[-1].rate:.1g}: no rate follows from "
            "it. Raise train.batch_size, or choose another train.network, train.loss or train.initialisation."
        )
    falls = [before.loss - after.loss for before, after in itertools.pairwise(seen[: lowest + 1])]
    steepest = seen[falls.index(max(falls))].rate
    return RangeTest(points=tuple(points), steepest=steepest, suggestion=seen[lowest].rate / 10, current=current)


class Probe(Learner):
    """A learner whose learning rate rises with every step until its loss diverges; nothing else of it is new.

    Attributes:
        curve: the loss over the rate.
        advance: told of every step.
    """

    def __init__(
        self, params: Params, fitted: Preprocessing, samples: int, batch_size: int, advance: Callable[[int], None]
    ) -> None:
        super().__init__(params, fitted, samples, batch_size)
        self.curve, self.advance = Curve(), advance

    def configure_optimizers(self) -> Any:
        """The optimizer of params.yaml on the ladder of rates; a backbone keeps its share of the rate."""
        found = super().configure_optimizers()
        schedule, peak = found["lr_scheduler"]["scheduler"], self.params.train.optimizer.learning_rate
        schedule.factor = lambda step: rate_at(step) / peak
        schedule.refresh()
        return found

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """One step, and the point of its batches."""
        super().optimizer_step(*arguments, **named)
        total, batches = self.losses.tolist()
        self.losses = torch.zeros(2)
        self.trainer.should_stop = not self.curve.add(total / batches)
        self.advance(1)

    def _freeze(self) -> None:
        """A backbone stays frozen, or free, as the first epoch has it, however many epochs the steps take."""
        if self.current_epoch == 0:
            super()._freeze()


def find_learning_rate(params: Params, advance: Callable[[int], None] = lambda steps: None) -> RangeTest:
    """Runs a range test on the prepared training split; nothing that it trains is kept.

    It is a training by params.yaml but for its learning rate: no schedule, no warmup, no averaging of weights. It takes
    one device; the batches of the others are accumulated.

    Args:
        params: the whole of params.yaml.
        advance: told how many more steps were taken, of at most ``STEPS``.

    Raises:
        DataError: the training split is not prepared.
        TrainingError: this machine has no such device, or no rate follows from the test.
    """
    probed = _probed(params)
    check_machine(probed.train)
    _require_prepared()
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    gpus = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(gpus), _quiet():
        size = find_batch_size(params, fitted) if params.train.batch_size == "auto" else params.train.batch_size
        torch.default_generator.manual_seed(params.seed)
        data = Data(probed.seed, fitted.inputs, size)
        probe = Probe(probed, fitted, len(data.order), size, advance)
        _run(probe, data)
    return judge(probe.curve.points, params.train.optimizer.learning_rate)


def _probed(params: Params) -> Params:
    """The params of the range test."""
    train = params.train
    changed = {
        "schedule": ConstantParams(name="constant"),
        "warmup": None,
        "averaging": NoAveraging(name="none"),
        "accumulate_batches": train.accumulate_batches * train.devices,
        "devices": 1,
        "strategy": "auto",
    }
    return params.model_copy(update={"train": train.model_copy(update=changed)})


def _run(probe: Probe, data: Data) -> None:
    train = probe.params.train
    trainer = lightning.Trainer(
        accelerator=train.accelerator,
        devices=1,
        precision=train.precision,
        max_epochs=-1,
        max_steps=STEPS,
        gradient_clip_val=train.gradient_clip.norm or train.gradient_clip.value or None,
        gradient_clip_algorithm="value" if train.gradient_clip.value else "norm",
        accumulate_grad_batches=train.accumulate_batches,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )
    try:
        trainer.fit(probe, datamodule=data)
    except SystemExit as end:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from end


def _require_prepared() -> None:
    missing = [str(path) for path in NEEDED if not path.exists()]
    if missing:
        raise DataError(
            f"Not found in {Path.cwd()}: {', '.join(missing)}. "
            "`dvc repro augment` makes the prepared data without training on it; 'tunesmith run' does so, too."
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice, which does not apply here."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\b")
        try:
            for logger in loggers:
                logger.setLevel(logging.WARNING)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
