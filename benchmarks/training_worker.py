"""A preset's training on the line and in a bare PyTorch loop, each a process that trains some steps whenever asked.

``python -m benchmarks.training_worker (line|bare) PRESET BATCH STEPS PRECISION``; answers each line of standard input
with its speed. Samples are random: speed does not depend on what they hold.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402 the processor is chosen before torch counts them
import torch  # noqa: E402
from pytorch_lightning import LightningModule, Trainer  # noqa: E402
from pytorch_lightning.callbacks import Callback  # noqa: E402

from components.contracts import (  # noqa: E402
    AUGMENTED,
    PREPARED,
    CategoricalColumn,
    ClassTarget,
    ImageInputs,
    Inputs,
    LabelledArrays,
    NumericColumn,
    Preprocessing,
    RowInputs,
    TextInputs,
    ValueTarget,
)
from components.nets import build_network, build_preprocess  # noqa: E402
from components.params import Params, load_params  # noqa: E402
from components.params.sections import BpeParams, ImageSource, NumberTableSource, TextPrepareParams  # noqa: E402
from components.tasks.augmentation import build_augmentation  # noqa: E402
from components.tasks.texts.tokens import bpe_inputs  # noqa: E402
from components.train.allocator import keep_freed_memory  # noqa: E402
from components.train.averaging import build_average, update_ema  # noqa: E402
from components.train.history import History  # noqa: E402
from components.train.losses import build_loss  # noqa: E402
from components.train.optimizers import build_optimizer  # noqa: E402
from components.train.run import fit  # noqa: E402
from components.train.schedules import build_schedule  # noqa: E402

ROUNDS = 1000
"""Epochs that the schedule is made for: more than are ever asked for."""


def benchmark_params(preset: str, batch: int, precision: str) -> Params:
    """A preset, for as many epochs as may be asked for, without an end of its own."""
    params = load_params(Path(preset))
    train = {
        "batch_size": batch,
        "epochs": ROUNDS,
        "precision": precision,
        "early_stopping": None,
        "checkpoint_every_steps": 10**6,
        "accelerator": "cpu",
    }
    return params.model_copy(update={"train": params.train.model_copy(update=train)})


def fitted_for(params: Params) -> Preprocessing:
    """What the stage ``prepare`` would say of the preset's data."""
    inputs = _inputs(params)
    if isinstance(inputs, RowInputs):
        return Preprocessing(inputs=inputs, target=ValueTarget(name="y", mean=0.0, std=1.0, low=-3.0, high=3.0))
    classes = 2 if isinstance(inputs, TextInputs) else 10
    labels = tuple(str(number) for number in range(classes))
    return Preprocessing(inputs=inputs, target=ClassTarget(labels=labels, counts=(1,) * classes))


def _inputs(params: Params) -> Inputs:
    match params.ingest.source, params.prepare:
        case ImageSource(height=height, width=width, channels=channels), _:
            mean, std = (0.5,) * channels, (0.3,) * channels
            return ImageInputs(height=height, width=width, channels=channels, mean=mean, std=std)
        case _, TextPrepareParams(tokenizer=BpeParams(vocabulary=vocabulary), length=length):
            return bpe_inputs(vocabulary, length)
        case NumberTableSource(numeric=numeric, categorical=categorical), _:
            numbers = [NumericColumn(name=name, mean=0.0, std=1.0, median=0.0, low=-5.0, high=5.0) for name in numeric]
            names = [CategoricalColumn(name=name, categories=("a", "b", "c", "d", "e")) for name in categorical]
            return RowInputs(columns=(*numbers, *names), scaling="standard", missing="refuse")
    raise TypeError(f"{params.task} has no samples here")


def samples(fitted: Preprocessing, count: int) -> LabelledArrays:
    """Random samples of the right shape."""
    random, inputs = np.random.default_rng(0), fitted.inputs
    shape = (count, *inputs.shape)
    match inputs:
        case ImageInputs():
            values: Any = random.integers(0, 256, shape, dtype=np.uint8)
        case TextInputs(vocabulary=vocabulary):
            values = random.integers(2, vocabulary, shape, dtype=np.int32)
        case RowInputs():
            values = random.integers(0, 5, shape).astype(np.float32)
    target = fitted.target
    labels = random.integers(0, target.width, count) if isinstance(target, ClassTarget) else random.normal(size=count)
    kind = np.int64 if isinstance(target, ClassTarget) else np.float32
    return LabelledArrays(values, labels.astype(kind), np.arange(count).astype(str))


class Asked(Callback):
    """Waits for a question before every so many batches, and answers when the last of them is done.

    Attributes:
        steps: batches of one question; a divisor of those of an epoch.
        samples: of these batches.
        clock: in seconds.
    """

    def __init__(self, steps: int, batch: int, clock: Callable[[], float]) -> None:
        self.steps, self.samples, self.clock = steps, steps * batch, clock

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits, before the order of the epoch is drawn."""
        self._wait()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Answers after the last step, before validation or the next batch."""
        if (index + 1) % self.steps == 0:
            answer(self.samples, self.clock() - self.started)
            if not trainer.is_last_batch:
                self._wait()

    def _wait(self) -> None:
        if not sys.stdin.readline():
            os._exit(0)
        self.started = self.clock()


def answer(samples: int, seconds: float) -> None:
    """Prints the speed."""
    print(f"samples/s {samples / seconds}", flush=True)


def line(params: Params, steps: int) -> None:
    """The line's own training function, on files as the stages before it leave them."""
    fitted, batch = fitted_for(params), int(params.train.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        train = samples(fitted, batch * steps)
        train.save(PREPARED / "train")
        LabelledArrays(train.inputs[:8], train.labels[:8], train.ids[:8]).save(PREPARED / "validation")
        AUGMENTED.mkdir(parents=True)
        np.save(AUGMENTED / "order.npy", np.arange(len(train.labels)))
        fit(params, fitted, Path("state"), [History(), Asked(steps, batch, time.process_time)])


def bare(params: Params, steps: int) -> None:
    """What one would write by hand: resident tensors, whole-batch slices, the same augmentation and network."""
    train, fitted, batch = params.train, fitted_for(params), int(params.train.batch_size)
    data = samples(fitted, batch * steps)
    inputs, labels = torch.from_numpy(data.inputs), torch.from_numpy(data.labels)
    network = build_network(train, fitted.inputs, fitted.target.width)
    preprocess, augmentation = build_preprocess(fitted.inputs), build_augmentation(params.augment, fitted.inputs)
    loss, optimizer = build_loss(train.loss, fitted.target), build_optimizer(train, network)
    schedule, _ = build_schedule(train.schedule, train.warmup, optimizer, ROUNDS * steps, ROUNDS)
    average = build_average(train.averaging, network) if train.averaging.name == "ema" else None
    half = train.precision == "bf16-mixed"
    for _ in sys.stdin:
        started = time.process_time()
        order = torch.randperm(len(inputs))
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            normalised = preprocess.normalise(augmentation(preprocess.unpack(inputs[chosen])))
            with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
                outputs = network(normalised)
            error = loss(outputs.float(), labels[chosen])
            optimizer.zero_grad()
            error.backward()
            if train.gradient_clip.norm:
                torch.nn.utils.clip_grad_norm_(network.parameters(), train.gradient_clip.norm)
            optimizer.step()
            schedule.step()
            if average is not None:
                update_ema(average, network, 0.99, step)
        answer(batch * steps, time.process_time() - started)


if __name__ == "__main__":
    program, preset, batch, steps, precision = sys.argv[1:]
    torch.set_num_threads(1)
    keep_freed_memory()
    {"line": line, "bare": bare}[program](benchmark_params(preset, int(batch), precision), int(steps))
