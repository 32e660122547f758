"""Processes of this machine: told apart also where the system gives a number to another one, and tied together."""

import ctypes
import signal
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
ENDED = ("Z", "X")
"""States of a process that nobody has asked yet how it ended."""

PR_SET_PDEATHSIG = 1


def boot() -> str:
    """The name of this run of the machine: after its next start other processes have the same numbers and moments."""
    return BOOT.read_text(encoding="ascii").strip()


def start_ticks(process: int) -> int | None:
    """When a process began, in clock ticks since the machine did; None: there is no such process, or it has ended.

    A number and this moment together belong to one process alone, until the machine starts anew.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ENDED else int(fields[18])


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies (Linux, prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
