"""Programs of the machine that download packages: apt and pip, each with its user's own configuration."""

import subprocess
from pathlib import Path

from components.errors import DataError

SECONDS = 300.0


def command(words: list[str], folder: Path) -> None:
    """Runs a program that must succeed.

    Args:
        words: program and arguments; no shell reads them.
        folder: where it runs.

    Raises:
        DataError: there is no such program, it failed, or it did not end.
    """
    name = Path(words[0]).name
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        raise DataError(f"this machine has no {name}.") from None
    except subprocess.TimeoutExpired:
        raise DataError(f"{name} did not end within {SECONDS:.0f} s.") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with {done.returncode}"]
        raise DataError(f"{name} failed: {lines[-1]}.")
