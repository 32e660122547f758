"""The workspace: the folder of dvc.yaml with its data and models, in which one run is at work at a time."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from components.errors import GraphError, WorkspaceBusy
from components.settings import Settings
from flows.runs import Runs

RWLOCK = Path(".dvc/tmp/rwlock")
PATIENCE_SECONDS = 3.0
"""Long enough for a command that only looks, such as ``tunesmith status``."""
LOOK_SECONDS = 0.2


def enter_root(start: Path | None = None) -> Path:
    """Makes the folder of dvc.yaml, looked for upwards from here, the working directory.

    Raises:
        GraphError: there is none.
    """
    here = (start or Path()).resolve()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file():
            os.chdir(folder)
            return folder
    raise GraphError(f"There is no dvc.yaml in {here} or above it. Go into the repository and try again.")


@contextlib.contextmanager
def exclusive(settings: Settings, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Holds the workspace for this process; the kernel lets go of it when the process dies, however that happens.

    Entered again by the same process it does nothing more. What a killed run left of DVC's path locks is removed.

    Args:
        settings: of them the home folder.
        patience: how long another run, or a DVC that was started by hand, is waited for, in seconds.

    Raises:
        WorkspaceBusy: another run, or DVC itself, is at work here.
    """
    until = time.monotonic() + patience
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.home.resolve() / "run.lock", is_singleton=True, thread_local=False)
    first = not lock.is_locked
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise WorkspaceBusy(f"{_who(settings)} is at work in {Path.cwd()}. Wait for its end, then try again.") from None
    try:
        if first:
            _remove_stale_locks(until)
        yield
    finally:
        lock.release()


def _who(settings: Settings) -> str:
    last = Runs(settings.home).last()
    if last is None or last.ended is not None or not psutil.pid_exists(last.process):
        return "Another tunesmith"
    return f"Another run (process {last.process}, since {last.started})"


def _remove_stale_locks(until: float) -> None:
    """Removes DVC's file of path locks, as soon as no DVC that was started by hand holds some of them.

    A killed run leaves its entries there. DVC drops those of processes that are gone, but an entry whose process id was
    given to another process, as always happens in a container, would block the path for ever.
    """
    while (process := next(filter(_is_dvc, _holders()), None)) is not None:
        if time.monotonic() > until:
            raise WorkspaceBusy(
                f"DVC (process {process}) is at work in {Path.cwd()}. Wait for its end, then try again."
            )
        time.sleep(LOOK_SECONDS)
    RWLOCK.unlink(missing_ok=True)


def _is_dvc(process: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return any(Path(part).name == "dvc" for part in psutil.Process(process).cmdline())
    return False


def _holders() -> set[int]:
    try:
        locks = json.loads(RWLOCK.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):  # a process that was killed while it wrote leaves half a file
        return set()
    readers = (reader for entry in locks.get("read", {}).values() for reader in entry)
    return {holder["pid"] for holder in (*readers, *locks.get("write", {}).values())}
