"""Processes of this machine, told apart also where the system gives a number to another one."""

from pathlib import Path

ENDED = ("Z", "X")
"""States of a process that nobody has asked yet how it ended."""


def start_ticks(process: int) -> int | None:
    """When a process began, in clock ticks since the machine did; None: there is no such process, or it has ended.

    A number and this moment together belong to one process alone.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ENDED else int(fields[18])
