"""Training on a data set of four times the memory allowed, against one that fits: throughput and anonymous memory.

Both are the line's own training, each a process in a group whose memory the kernel limits, page cache included, so
that what does not fit is read from the disk again. They are asked in turn; a round takes a few samples more than the
window that training shuffles together, so each holds the reading of a window. Figures are samples per second of wall
time.

Anonymous memory is what the process itself asked for, and is looked at after every round: the allocator keeps what was
freed, so nothing is missed between. Pages of a mapped file are no part of it: the kernel may drop them at any time.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.cgroup import limited_group
from benchmarks.ratio import Ratio
from benchmarks.training import KERAS, Contestant, running
from components.arrays import create_npy, slices
from components.contracts import AUGMENTED, PREPARED, LabelledArrays

ALLOWED = 3 * 2**29
ROUNDS = 7
BATCH, STEPS = 256, 1340
SHAPE = (28, 28, 1)
SAMPLE_BYTES = 28 * 28
FITS = BATCH * STEPS
"""Samples of the small data set: those of one round, some 257 MiB."""
LARGE = 4 * ALLOWED // SAMPLE_BYTES // FITS * FITS + FITS


class Round(NamedTuple):
    """What one process did when it was asked, and how it stood then."""

    speed: float
    anonymous: int
    read: int


def write_splits(folder: Path, count: int) -> None:
    """Random samples as the stages before ``train`` leave them, on the disk and no longer in the page cache."""
    random = np.random.default_rng(0)
    few = LabelledArrays(np.zeros((8, *SHAPE), np.uint8), np.arange(8), np.arange(8).astype(str))
    for split in ("train", "validation"):
        few.save(folder / PREPARED / split)
    inputs = create_npy(folder / PREPARED / "train" / "inputs.npy", (count, *SHAPE), np.uint8)
    for part in slices(count, SAMPLE_BYTES):
        inputs[part] = random.integers(0, 256, (part.stop - part.start, *SHAPE), dtype=np.uint8)
    del inputs  # what is mapped stays in the page cache
    np.save(folder / PREPARED / "train" / "labels.npy", random.integers(0, 10, count))
    (folder / AUGMENTED).mkdir(parents=True)
    np.save(folder / AUGMENTED / "order.npy", np.arange(count))
    for file in folder.rglob("*.npy"):
        with file.open("rb+") as written:
            os.fsync(written.fileno())
            os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def rounds(contestants: dict[str, Contestant]) -> Iterator[dict[str, Round]]:
    """Warms every process up, then asks all of them in turn."""
    for number in range(ROUNDS + 1):
        asked = {name: _asked(contestant) for name, contestant in contestants.items()}
        if number:
            yield asked


def _asked(contestant: Contestant) -> Round:
    process = psutil.Process(contestant.process.pid)
    before = process.io_counters().read_bytes
    speed = contestant.samples_per_second()
    memory = process.memory_info()
    return Round(speed, memory.rss - memory.shared, process.io_counters().read_bytes - before)


def ratios(measured: list[dict[str, Round]], limited: bool) -> list[Ratio]:
    """Throughput, and the peak of anonymous memory, of the large data set over the small one."""
    speeds = {name: median(each[name].speed for each in measured) for name in ("large", "small")}
    peaks = {name: max(each[name].anonymous for each in measured) for name in ("large", "small")}
    read = sum(each["large"].read for each in measured)
    seconds = sum(FITS / each["large"].speed for each in measured)
    bound = "page cache included" if limited else "anonymous memory alone: no cgroup can be made here"
    note = (
        f"MLP of 64 on 28 × 28 pixels, batch {BATCH}; {ALLOWED / 2**30:.1f} GiB allowed ({bound}), data "
        f"{LARGE * SAMPLE_BYTES / 2**30:.1f} and {FITS * SAMPLE_BYTES / 2**30:.1f} GiB; {ROUNDS} rounds"
    )
    speed = f"{speeds['large']:,.0f} and {speeds['small']:,.0f} samples/s; the large one read "
    speed += f"{read / 2**20:,.0f} MiB from the disk, {read / seconds / 1e6:.0f} MB/s"
    memory = f"peak {peaks['large'] / 2**20:.0f} and {peaks['small'] / 2**20:.0f} MiB"
    growth = peaks["large"] / peaks["small"]
    return [
        Ratio.of(
            "memory: throughput, data of four times the memory / data that fit",
            [each["large"].speed / each["small"].speed for each in measured],
            "≥ 0.90",
            f"{note}; {speed}",
        ),
        Ratio("memory: peak anonymous memory, the same", growth, "≤ 1.05", (growth, growth), f"{note}; {memory}"),
    ]


def main() -> list[Ratio]:
    """Measures both ratios."""
    KERAS.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        contestants: dict[str, Contestant] = {}
        for name, count in {"large": LARGE, "small": FITS}.items():
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=KERAS.parent))
            write_splits(Path(folder), count)
            group = stack.enter_context(limited_group(ALLOWED))
            command: list[str | Path] = [sys.executable, "-m", "benchmarks.memory_worker", folder]
            command += [str(BATCH), str(STEPS), str(ALLOWED), *filter(None, [group])]
            contestants[name] = stack.enter_context(running(command))
        return ratios(list(rounds(contestants)), limited=group is not None)
