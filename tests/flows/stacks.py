"""Workspaces with a stack, small parts that are real processes, and the certainty that none is left."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from components.settings import Settings
from flows.ports import free_port
from flows.stack.part import Part
from flows.stack.site import Site, StackSettings
from flows.stack.state import StackState, read_state
from tests.flows.toy import command, environment, make_line

ONLY_PAGE = "postgres,mlflow,prefect,deployments,ray,service,prometheus"


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.05)


def ports() -> dict[str, str]:
    """A port of its own for every part."""
    names = ("POSTGRES", "MLFLOW", "PREFECT", "RAY", "PROMETHEUS", "FLOWS", "PAGE")
    return {f"TUNESMITH_STACK_{name}_PORT": str(free_port()) for name in names} | {"TUNESMITH_PORT": str(free_port())}


class Workspace:
    """A workspace whose commands run as a person would run them."""

    def __init__(self, root: Path, **more: str) -> None:
        self.root, self.home = make_line(root), root / ".tunesmith"
        shutil.copytree(Path(__file__).parents[2] / "infra", root / "infra")
        self.variables = ports() | more

    def tunesmith(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=self.root,
            env=environment(**self.variables),
            check=False,
            capture_output=True,
            text=True,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(*arguments),
            cwd=self.root,
            env=environment(**self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def state(self) -> StackState:
        state = read_state(self.home)
        assert state is not None
        return state

    def process_of(self, part: str) -> int:
        process = next(one.process for one in self.state().parts if one.name == part)
        assert process is not None
        return process

    def condition_of(self, part: str) -> str:
        return next(one.condition for one in self.state().parts if one.name == part)

    def commands(self) -> list[list[str]]:
        """The command lines of all that."""
        found = []
        for one in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                found.append(one.cmdline())
        return found

    def processes(self) -> list[psutil.Process]:
        """Everything that runs on behalf of this workspace: below its supervisor, or in its folder."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                at_home = str(self.root) in (one.cwd(), *one.cmdline()) or str(self.home) in " ".join(one.cmdline())
                if at_home and one.status() != psutil.STATUS_ZOMBIE and one.pid != os.getpid():
                    found.append(one)
        return found


@contextlib.contextmanager
def workspace(**more: str) -> Iterator[Workspace]:
    """A workspace that other users can pass, as PostgreSQL needs it; at the end nothing of it runs."""
    folder = Path(tempfile.mkdtemp(prefix="ts-"))
    folder.chmod(0o755)
    made = Workspace(folder / "line", **more)
    try:
        yield made
    finally:
        made.tunesmith("down")
        left = made.processes()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)
        assert left == []


def site(folder: Path, *names: str, settings: Settings | None = None, **more: object) -> Site:
    """Where a stack would be."""
    known = StackSettings(**more)  # type: ignore[arg-type]
    return Site(settings or Settings(home=folder), known, "digits", frozenset(names))


def small_part(
    name: str, program: str, healthy: Callable[[], bool] = lambda: True, needs: tuple[str, ...] = ()
) -> Part:
    """A part that is a few lines of Python."""
    return Part(name, "a test", (sys.executable, "-c", program), healthy, needs=needs)
