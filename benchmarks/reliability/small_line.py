"""A small line on real images, disturbed or not: started, listened to, and its package held against another one's."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from ruamel.yaml import YAML
from sklearn.datasets import load_digits

from benchmarks.workspace import clone
from components.package import ModelPackage
from components.registry import Registry
from components.settings import Settings
from flows.reproduction.comparison import Pair, compare
from flows.runs import Run, Runs

NAME = "digits"
SIDE = 24
PATIENCE_SECONDS = 600.0
SAME = ("identical", "not compared")


@dataclass
class Line:
    """A workspace of its own.

    Attributes:
        root: its folder.
        variables: of the environment of every command in it.
    """

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """As the commands in it have them."""
        return Settings(home=self.root / ".tunesmith", tracking_uri=self.variables.get("TUNESMITH_TRACKING_URI"))

    def start(self, *arguments: str) -> "Started":
        """Starts a command of tunesmith."""
        return Started(self, arguments or ("run",))

    def run(self, *arguments: str) -> "Started":
        """The same, to its end."""
        started = self.start(*arguments)
        started.wait()
        return started

    def last(self) -> Run:
        """What the journal says of the last run."""
        found = Runs(self.root / ".tunesmith").last()
        assert found is not None
        return found

    def recorded(self) -> set[str]:
        """The stages that dvc.lock says have been finished."""
        lock = self.root / "dvc.lock"
        return set(YAML(typ="safe", pure=True).load(lock)["stages"]) if lock.exists() else set()

    def processes(self) -> list[psutil.Process]:
        """All that is at work in the workspace."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if Path(process.cwd()) == self.root and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def package(self, folder: Path) -> ModelPackage:
        """The last registered package, verified."""
        version = self.last().version
        assert version is not None, self.last().sentence
        Registry(self.settings, NAME).download(version, folder)
        return ModelPackage.read(folder)


class Started:
    """A command under way, and what it says."""

    def __init__(self, line: Line, arguments: tuple[str, ...]) -> None:
        self.said: list[str] = []
        binaries = str(Path(sys.executable).parent)
        ours = ("TUNESMITH_", "PREFECT_", "MLFLOW_")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=line.root,
            env={name: value for name, value in os.environ.items() if not name.startswith(ours)}
            | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(line.root), "COLUMNS": "200"}
            | line.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.said.extend(line.rstrip() for line in self.process.stdout)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        return status

    def kill(self) -> None:
        """Kills it as the kernel does when memory runs out."""
        self.process.kill()
        self.wait()

    def until_running(self, stage: str) -> bool:
        """Waits until a stage begins; whether it did before the command ended."""
        wait_until(lambda: self._begins(stage) or self.process.poll() is not None)
        return self._begins(stage)

    def _begins(self, stage: str) -> bool:
        return f"{stage:<9} running" in self.said

    def failure(self) -> str:
        """Its last words."""
        return next((line for line in reversed(self.said) if line), "")


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether something came to hold in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def small_line(parent: Path | None = None, variables: dict[str, str] | None = None) -> Iterator[Line]:
    """A workspace in which nothing has run; whatever is left at work there is ended with the block.

    Args:
        parent: folder in which it is made.
        variables: of the environment of every command in it.
    """
    with tempfile.TemporaryDirectory(prefix="tunesmith-", dir=parent, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user
        root = Path(folder).resolve() / "line"
        clone(root)
        _write_params(root)
        _write_images(root / "data" / NAME)
        line = Line(root, dict(variables or {}))
        try:
            yield line
        finally:
            for process in line.processes():
                process.kill()


def _write_params(root: Path) -> None:
    yaml = YAML()
    params = yaml.load(root / f"presets/{NAME}.yaml")
    params["train"]["epochs"] = 3
    params["train"]["network"] |= {"filters": [16, 16], "dense": [32]}
    params["compress"]["latency_repeats"] = 10
    params["compress"]["budget"]["max_latency_ratio"] = 100  # the choice must not hang on a latency
    yaml.dump(params, root / "params.yaml")


def _write_images(folder: Path) -> None:
    digits = load_digits()
    for index, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        picture = np.kron((pixels / 16 * 255).astype(np.uint8), np.ones((3, 3), np.uint8))
        Image.fromarray(picture).save(folder / str(label) / f"{index:04d}.png")


@dataclass(frozen=True)
class Undisturbed:
    """A line that ran through.

    Attributes:
        package: what it registered.
        seconds: how long it took.
    """

    package: ModelPackage
    seconds: float

    def differing(self, line: Line, folder: Path) -> list[str]:
        """The files of the package that a line registered last that are not those of this one, bit for bit.

        Not asked of those that say when, where and by which run they were made.
        """
        parts = compare(Pair.of(self.package, line.package(folder), line.root))
        return [f"{part.name}: {part.detail}" for part in parts if part.outcome not in SAME]


@contextlib.contextmanager
def undisturbed() -> Iterator[Undisturbed]:
    """Runs a small line that nobody disturbs; its package goes with the block."""
    with tempfile.TemporaryDirectory() as folder, small_line() as line:
        began = time.monotonic()
        done = line.run()
        seconds = time.monotonic() - began
        assert done.process.returncode == 0, "\n".join(done.said)
        yield Undisturbed(line.package(Path(folder) / "package"), seconds)
