"""Where the workers of a server leave their measures for one another: in memory, where a full disk does not reach.

prometheus_client maps files that have holes. Where their file system has no room for a page that is touched for the
first time, the kernel ends the process (SIGBUS), and the next one as soon as it counts anything.

Each worker holds a shared lock on its server's folder, which the kernel takes back however the worker ends. A folder
that nobody holds is of a server that has ended; its last worker removes it, or the next server that starts.
"""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from components.processes import start_ticks

MEMORY = Path("/dev/shm")  # noqa: S108 a folder below it is taken only if it is this user's alone
PREFIX = "tunesmith-measures-"
ON_DISK = "measures"
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Tells prometheus_client where; BentoML's own choice lies below its home, on the disk."""

log = logging.getLogger("tunesmith.serving")


@dataclass(frozen=True)
class Measures:
    """One worker's share in the measures of its server.

    Attributes:
        folder: of all workers.
        lock: descriptor that holds it; None: it goes with the home folder of the server.
    """

    folder: Path
    lock: int | None

    def leave(self) -> None:
        """Ends the share; the last one takes the folder with it."""
        if self.lock is not None:
            _remove_unheld(self.folder, self.lock)
            os.close(self.lock)


def join_measures(process: int, home: Path) -> Measures:
    """Lets prometheus_client in this process share its measures with the other workers of a server.

    Args:
        process: of the server.
        home: its folder; they are there where this system has no memory of this user's to put them in.
    """
    folder = MEMORY / f"{PREFIX}{process}-{start_ticks(process) or 0}"
    try:
        found = Measures(folder, _hold(folder))
    except OSError as error:
        found = Measures(home / ON_DISK, None)
        found.folder.mkdir(parents=True, exist_ok=True)
        log.warning("Measures are kept in %s, where a full disk ends workers: %s.", found.folder, error)
    os.environ[VARIABLE] = str(found.folder)
    _forget_ended_servers()
    return found


def _hold(folder: Path) -> int:
    """The descriptor of a folder that is there, and is not removed before it is closed."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # its last worker has just left
            handle = _open(folder)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if os.fstat(handle).st_nlink:
                return handle
            os.close(handle)


def _open(folder: Path) -> int:
    """Opens a folder.

    Raises:
        OSError: others than this user may write it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    status = os.fstat(handle)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        os.close(handle)
        raise PermissionError(errno.EPERM, "It is not this user's alone", str(folder))
    return handle


def _forget_ended_servers() -> None:
    """Removes what servers have left that were killed."""
    for folder in MEMORY.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or it is removed at this moment
            handle = _open(folder)
            _remove_unheld(folder, handle)
            os.close(handle)


def _remove_unheld(folder: Path, handle: int) -> None:
    """Removes a folder unless another descriptor holds it."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
