"""A fresh copy of the repository, to run the line in without touching this one."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATASETS = Path(".tunesmith") / "datasets"


@contextmanager
def workspace() -> Iterator[Path]:
    """A clone in a folder that goes with the block; the data sets that were fetched are shared."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clone(root)
        (ROOT / DATASETS).mkdir(parents=True, exist_ok=True)
        (root / DATASETS).parent.mkdir()
        (root / DATASETS).symlink_to(ROOT / DATASETS)
        yield root


def clone(root: Path) -> None:
    """Copies the repository as it would be committed now, into a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet", root], check=True)


def timed(command: list[str], root: Path, *, shown: bool = False) -> tuple[float, str]:
    """Wall seconds of a command that must succeed, and what it printed; ``shown``: what it says on stderr is seen."""
    binaries = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(root)}
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=None if shown else subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-2000:]}")
    return seconds, done.stdout
