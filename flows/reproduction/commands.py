"""Programs that a reproduction starts: git, DVC, uv. None outlives it, and a fault of theirs is one sentence."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import LineageError

LEASH = ("setpriv", "--pdeathsig", "KILL", "--")
"""What a command begins with that the kernel is to end with this process; of util-linux."""
DVC = (sys.executable, "-m", "dvc")


def output_of(*command: str | Path, folder: Path, what: str) -> str:
    """Runs a command in a folder, and gives what it said.

    Args:
        command: program and arguments.
        folder: working directory.
        what: it was to do, for the sentence about a fault.

    Raises:
        LineageError: it failed, or there is no such program.
    """
    done = _run(command, folder)
    if done.returncode:
        raise LineageError(f"{what} failed: {_last(done.stderr or done.stdout)}")
    return done.stdout.strip()


def succeeds(*command: str | Path, folder: Path) -> bool:
    """Runs a command in a folder, and says whether it did what it was asked.

    Raises:
        LineageError: there is no such program.
    """
    return _run(command, folder).returncode == 0


def _run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [*LEASH, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise LineageError(f"{error.filename} is needed to reproduce a version, and is not on the PATH.") from None


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it did not say why."
