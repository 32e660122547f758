"""The line's training and a bare PyTorch loop, each as a process that trains some steps whenever it is asked.

``python -m benchmarks.training_worker (line|bare) PRECISION``; answers each line of standard input with its speed.
"""

import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402 the processor is chosen before torch counts them
import torch  # noqa: E402
from components.train.optimisation import build_loss, build_optimizer, build_schedule  # noqa: E402
from pytorch_lightning.callbacks import Callback  # noqa: E402

from components.contracts import AUGMENTED, PREPARED, LabelledArrays, Preprocessing  # noqa: E402
from components.nets import Preprocess, build_network  # noqa: E402
from components.params import Params, load_params  # noqa: E402
from components.tasks.augmentation import BatchAugmentation  # noqa: E402
from components.train.allocator import keep_freed_memory  # noqa: E402
from components.train.history import History  # noqa: E402
from components.train.run import fit  # noqa: E402

BATCH, STEPS = 64, 150
ROUNDS = 1000
FITTED = Preprocessing(
    labels=tuple("0123456789"), height=28, width=28, channels=1, mean=(0.5,), std=(0.3,), class_counts=(1,) * 10
)


def benchmark_params(precision: str) -> Params:
    """The reference policy and the reference CNN, at a constant rate."""
    params = load_params(Path("presets/reference-augmentation.yaml"))
    network = params.train.network.model_copy(update={"batch_norm": False, "dropout": 0.0})
    changes = {
        "network": network,
        "batch_size": BATCH,
        "epochs": ROUNDS,
        "precision": precision,
        "early_stopping": None,
        "checkpoint_every_steps": 10**6,
        "accelerator": "cpu",
    }
    return params.model_copy(update={"train": params.train.model_copy(update=changes)})


def samples() -> LabelledArrays:
    """Random pixels: speed does not depend on what they show."""
    random = np.random.default_rng(0)
    inputs = random.integers(0, 256, (BATCH * STEPS, 28, 28, 1), dtype=np.uint8)
    return LabelledArrays(inputs, random.integers(0, 10, len(inputs)), np.arange(len(inputs)).astype(str))


class Asked(Callback):
    """Waits for a question before each epoch, and answers when its last step is done."""

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        """Waits."""
        if not sys.stdin.readline():
            os._exit(0)
        self.started = time.process_time()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Answers after the last step, before validation."""
        if trainer.is_last_batch:
            answer(self.started)


def answer(started: float) -> None:
    """Prints the speed since a moment of processor time."""
    print(f"samples/s {BATCH * STEPS / (time.process_time() - started)}", flush=True)


def line(params: Params) -> None:
    """The line's own training function, on files as the stages before it leave them."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        train = samples()
        train.save(PREPARED / "train")
        LabelledArrays(train.inputs[:64], train.labels[:64], train.ids[:64]).save(PREPARED / "validation")
        AUGMENTED.mkdir(parents=True)
        np.save(AUGMENTED / "order.npy", np.arange(len(train.labels)))
        fit(params, FITTED, Path("state"), [History(), Asked()])


def bare(params: Params) -> None:
    """What one would write by hand: resident tensors, whole-batch slices, the same augmentation and network."""
    train = samples()
    inputs, targets = torch.from_numpy(train.inputs), torch.from_numpy(train.labels)
    network, preprocess = build_network(params.train.network, (1, 28, 28), 10), Preprocess(FITTED)
    augmentation, loss = BatchAugmentation(params.augment), build_loss(params.train.loss, FITTED.class_counts)
    optimizer = build_optimizer(params.train.optimizer, network)
    schedule = build_schedule(params.train.schedule, optimizer, ROUNDS * STEPS)
    half = params.train.precision == "bf16-mixed"
    for _ in sys.stdin:
        started = time.process_time()
        order = torch.randperm(len(inputs))
        for step in range(STEPS):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            images = preprocess.normalise(augmentation(preprocess.scale(inputs[chosen])))
            with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
                error = loss(network(images), targets[chosen])
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            schedule.step()
        answer(started)


if __name__ == "__main__":
    torch.set_num_threads(1)
    keep_freed_memory()
    {"line": line, "bare": bare}[sys.argv[1]](benchmark_params(sys.argv[2]))
