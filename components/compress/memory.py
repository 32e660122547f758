"""Memory that a graph needs: ``python -m components.compress.memory GRAPH SAMPLES`` prints it, in bytes.

A process of its own for each graph, because memory that one has freed would hide what the next one needs.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401  its own memory is no graph's
import psutil

from components.errors import CompressionError
from components.inference import open_graph
from components.stage import die_with_parent


def peak_memory(graph: Path, samples: Path) -> int:
    """Resident memory in bytes that opening a graph and answering 1 and all of some samples takes, at its highest.

    Args:
        graph: the ONNX file.
        samples: an .npy file, (samples, *shape of one).

    Raises:
        CompressionError: the graph does not answer.
    """
    asked = [sys.executable, "-m", "components.compress.memory", str(graph), str(samples)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompressionError(f"{graph.name} cannot be measured: {done.stderr.strip()[-500:]}")
    return int(done.stdout)


def main(graph: Path, samples: Path) -> int:
    """What this process needs for a graph, beyond what it needed before."""
    asked = np.load(samples, allow_pickle=False)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets what the imports have needed (proc(5))
    before: int = psutil.Process().memory_info().rss
    session = open_graph(graph)
    for batch in (asked[:1], asked):
        session.run(None, {"inputs": batch})
    return max(0, highest_memory() - before)


def highest_memory() -> int:
    """The most resident memory that this process has had (VmHWM of proc(5)), in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024


if __name__ == "__main__":
    die_with_parent()
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
