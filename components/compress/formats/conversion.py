"""The chosen network in other formats, held against its ONNX graph by each format's own runtime."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from components.contracts import FormatParity, Target, ValueTarget
from components.errors import CompressionError
from components.export import ServedNetwork
from components.inference import latency

Format = Literal["executorch", "litert"]
ENDINGS: dict[Format, str] = {"executorch": "pte", "litert": "tflite"}
EQUAL_VALUES = 1e-3
"""Values closer than this, in deviations of the target, are the same answer."""


def interpreter(name: Format, home: Path) -> Path:
    """Python of the environment that a converter lives in."""
    return home / "formats" / name / "bin" / "python"


def require_converters(formats: Sequence[Format], home: Path) -> None:
    """Says before any work that a converter is missing.

    Raises:
        CompressionError: one is.
    """
    missing = [name for name in formats if not interpreter(name, home).exists()]
    if missing:
        raise CompressionError(
            f"compress.formats asks for {' and '.join(missing)}, and {interpreter(missing[0], home)} does not exist. "
            "Run 'make formats', which makes an environment for each, or set compress.formats: []."
        )


def convert(
    name: Format,
    served: ServedNetwork,
    samples: NDArray[Any],
    wanted: NDArray[np.float32],
    most: float,
    folder: Path,
    home: Path,
) -> FormatParity:
    """Writes a network in a format, has it answered there, and compares the answers.

    Args:
        name: of the format.
        served: the network, with preprocessing and answer; the file takes one sample at a time.
        samples: (samples, *shape of one) validation samples.
        wanted: (samples, target.width) answers of the ONNX graph.
        most: largest difference that is allowed, as :func:`compared` measures it.
        folder: where the file goes.
        home: this machine's state, where the environments are.

    Raises:
        CompressionError: the converter or the runtime cannot do it, or does it wrongly.
    """
    file = folder / f"model.{ENDINGS[name]}"
    with tempfile.TemporaryDirectory() as scratch:
        traced, asked, given = (Path(scratch) / each for each in ("network.pt2", "samples.npy", "answers.npz"))
        _trace(served, samples, traced)
        np.save(asked, samples, allow_pickle=False)
        script = Path(__file__).with_name(f"to_{name}.py")
        command = [interpreter(name, home), script, traced, asked, file, given]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-500:]
            raise CompressionError(f"{name} cannot take this network: {said}")
        with np.load(given, allow_pickle=False) as found:
            answers, milliseconds = found["answers"], found["milliseconds"]
    equal, largest = compared(answers, wanted, served.target)
    if not largest <= most:  # NaN is not
        raise CompressionError(
            f"{name} answers otherwise than the graph: by {largest:.2g} at most, and compress.max_parity_difference "
            f"allows {most:g}. Take {name} out of compress.formats, and report the network that does this."
        )
    return FormatParity(
        name=name,
        file=file.name,
        bytes=file.stat().st_size,
        latency_1=latency(milliseconds),
        equal_answers=equal,
        largest_difference=largest,
        samples=len(samples),
    )


def _trace(served: ServedNetwork, samples: NDArray[Any], path: Path) -> None:
    """Writes what both converters read: one sample at a time, in the plain order of memory."""
    plain = served.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # missing in torch's overloads
    example = torch.from_numpy(np.array(samples[:1]))
    torch.export.save(torch.export.export(plain, (example,), strict=False), path)


def compared(given: NDArray[np.float32], wanted: NDArray[np.float32], target: Target) -> tuple[float, float]:
    """Share of equal answers, and the largest difference: of a probability, or of a value in deviations.

    Args:
        given: (samples, target.width) answers.
        wanted: the same, of the ONNX graph.
        target: what is predicted.
    """
    difference = np.abs(given - wanted)
    if isinstance(target, ValueTarget):
        apart = difference[:, 0] / target.std
        return float((apart < EQUAL_VALUES).mean()), float(apart.max())
    return float((given.argmax(axis=1) == wanted.argmax(axis=1)).mean()), float(difference.max())
