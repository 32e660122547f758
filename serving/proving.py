"""Tries a version's graph in a process of its own, before a worker opens it: a crash or a hang there costs no answer.

``python -m serving.proving`` is that process. It ends with the worker that waits for it, and where memory runs out the
kernel takes it before any worker.
"""

import contextlib
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import load_file

from components.errors import PackageError
from components.processes import die_with_parent
from serving.graph import in_batches, open_session, pieces, trial_sizes

FIRST_TO_GO = "1000"
"""For the kernel's choice where memory runs out: the largest there is."""


def prove(graph: Path, golden: Path, max_batch: int, seconds: float) -> None:
    """Makes sure that a graph can be opened and asked without harm to the process that does it.

    An exception is no harm: who opens the graph next has it as well, and tells it.

    Args:
        graph: ONNX file of a package that was verified.
        golden: its golden batch.
        max_batch: the largest batch that will be asked.
        seconds: that it may take.

    Raises:
        PackageError: the process died, or has not ended in time.
        OSError: this machine can start no process.
    """
    arguments = (graph.resolve(), golden.resolve(), max_batch, os.getpid())
    survive([sys.executable, "-P", "-m", "serving.proving", *map(str, arguments)], seconds)


def survive(command: Sequence[str], seconds: float) -> None:
    """Runs a command that imports as this process does; what it says on stderr is in this server's log.

    Raises:
        PackageError: it died, did not end in time, or could not do its work.
        OSError: it cannot be started.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)}
    try:
        ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise PackageError(
            f"Its golden batch was not answered within {seconds:g} s, in a process of its own that was ended then."
            " Where the model is as slow as that, set TUNESMITH_PROMOTION_SECONDS to more; this is half of it."
        ) from None
    if ended.returncode < 0:
        raise PackageError(f"It kills the process that asks it its golden batch: {_cause(-ended.returncode)}.")
    if ended.returncode:
        raise PackageError(
            f"It could not be tried: {shlex.join(command)} ended with status {ended.returncode}; the server's log says"
            " why."
        )


def _cause(number: int) -> str:
    said = f"signal {number} ({signal.strsignal(number)})"
    return f"{said}, as the kernel sends where memory runs out" if number == signal.SIGKILL else said


def main() -> None:
    """Opens the graph and asks it all that it will be asked at first."""
    graph, golden, max_batch, parent = sys.argv[1:]
    die_with_parent()
    if os.getppid() != int(parent):  # it died before it could be followed
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here; its memory is not to fill the disk
    with contextlib.suppress(OSError):  # where /proc is not to be written, the kernel chooses as it likes
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    with contextlib.suppress(Exception):  # the worker has it, too, and tells it in a sentence
        _try(Path(graph), Path(golden), int(max_batch))


def _try(graph: Path, golden: Path, max_batch: int) -> None:
    session, inputs = open_session(graph), load_file(golden)["inputs"]
    for size in trial_sizes(len(inputs), max_batch):
        for batch in in_batches(inputs, size):
            for piece in pieces(batch):
                session.run(None, {"inputs": piece})


if __name__ == "__main__":
    main()
