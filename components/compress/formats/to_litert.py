"""``to_litert.py NETWORK.pt2 SAMPLES.npy MODEL.tflite ANSWERS.npz``: to LiteRT, and answered by it.

LiteRT was TensorFlow Lite, and its files are still called so.

Runs in the environment that ``make formats`` makes for it, which knows nothing of tunesmith.
"""

import sys
import time
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter


def main(network: Path, samples: Path, model: Path, answers: Path) -> None:
    """Converts, answers every sample by itself on one thread, and writes answers and times."""
    asked = np.load(samples, allow_pickle=False)
    module = torch.export.load(network).module()
    litert_torch.convert(module, (torch.from_numpy(asked[:1]),)).export(str(model))
    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    place, first = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    given, times = [], []
    for sample in asked:
        interpreter.set_tensor(place, sample[None])
        started = time.perf_counter()
        interpreter.invoke()
        times.append((time.perf_counter() - started) * 1000)
        given.append(interpreter.get_tensor(first)[0].copy())
    np.savez(answers, answers=np.stack(given), milliseconds=np.array(times))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
