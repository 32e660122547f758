"""``to_executorch.py NETWORK.pt2 SAMPLES.npy MODEL.pte ANSWERS.npz``: to ExecuTorch with XNNPACK, and answered by it.

Runs in the environment that ``make formats`` makes for it, which knows nothing of tunesmith.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.extension.pybindings._C import _unsafe_reset_threadpool
from executorch.runtime import Runtime


def main(network: Path, samples: Path, model: Path, answers: Path) -> None:
    """Converts, answers every sample by itself on one thread, and writes answers and times."""
    _unsafe_reset_threadpool(1)
    asked = np.load(samples, allow_pickle=False)
    lowered = to_edge_transform_and_lower(torch.export.load(network), partitioner=[XnnpackPartitioner()])
    model.write_bytes(lowered.to_executorch().buffer)
    method = Runtime.get().load_program(model).load_method("forward")
    given, times = [], []
    for sample in asked:
        feed = [torch.from_numpy(sample[None])]
        started = time.perf_counter()
        found = method.execute(feed)
        times.append((time.perf_counter() - started) * 1000)
        given.append(found[0].numpy()[0].copy())
    np.savez(answers, answers=np.stack(given), milliseconds=np.array(times))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
