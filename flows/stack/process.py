"""The processes of a part: started so that none outlives the supervisor, and ended with all that they started.

Every part is a session of its own and has a mark in its environment, so that what it started is known also when it has
died itself: PostgreSQL overwrites its environment, and Prefect begins a session for each run of a flow.
"""

import asyncio
import contextlib
import os
import pwd
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from components.processes import start_ticks
from components.settings import TELEMETRY_OFF
from flows.stack.part import Part

FAREWELL_SECONDS = 25.0
"""How long a part may take to end in good order."""
MARK = "TUNESMITH_STACK_LOG"
"""Variable of everything that a part starts: the part's log, which no other part has."""
ROUNDS = 3
LEASH = "setpriv"
"""Program that lets the kernel end a part with its supervisor; of util-linux."""


def as_user(user: str | None) -> list[str]:
    """What a command begins with that is to run as another user."""
    if user is None:
        return []
    return [LEASH, f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", "--"]


async def start(part: Part, log: Path) -> asyncio.subprocess.Process:
    """Starts a part; to be called from the thread that lives as long as the supervisor, or the part dies with it.

    Args:
        part: to be started.
        log: its output is written to the end of this file.
    """
    # A program that is asked to end takes with it what it has started; one that is killed does not.
    leash = [LEASH, "--pdeathsig", part.stop.name.removeprefix("SIG"), "--"]
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *_joined(leash, as_user(part.user)),
            *part.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=part.folder,
            env=composed(part.environment) | {MARK: str(log)},
            start_new_session=True,
        )


def _joined(leash: list[str], user: list[str]) -> list[str]:
    """One command that does both: a change of user takes the leash away, so that must come after it."""
    return [LEASH, *user[1:-1], *leash[1:]] if user else leash


def composed(more: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a program of the stack; None takes a variable away."""
    changed: dict[str, str | None] = {**TELEMETRY_OFF, "PYTHONUNBUFFERED": "1", **more}
    return {name: value for name, value in (os.environ | changed).items() if value is not None}


async def stop(process: asyncio.subprocess.Process, how: signal.Signals, log: Path) -> None:
    """Ends a part: asks it to, and kills what is left of it after a while."""
    family = _family(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(how)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), FAREWELL_SECONDS)
    end_all(process.pid, log)
    for one in family:
        with contextlib.suppress(psutil.Error):
            one.kill()
    await process.wait()


def _family(process: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        main = psutil.Process(process)
        return [main, *main.children(recursive=True)]
    return []


def members(session: int | None, log: Path) -> list[int]:
    """The processes of a part and of what it started, also where it has died itself.

    Args:
        session: that it was, by the number of its process; None: of that nobody knows any more whose it is.
        log: of the part.
    """
    mark = f"{MARK}={log}".encode()
    return [one for one in psutil.pids() if _belongs(one, session, mark) and start_ticks(one) is not None]


def _belongs(process: int, session: int | None, mark: bytes) -> bool:
    with contextlib.suppress(OSError):  # it has just ended, or is another user's
        if os.getsid(process) == session:
            return True
        return mark in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return False


def end_all(session: int | None, log: Path) -> None:
    """Kills every process of a part and of what it started, and those that they start meanwhile."""
    for _ in range(ROUNDS):
        for process in (found := members(session, log)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if not found:
            return


def memory(process: int) -> int:
    """Bytes that a part holds, with all that it started; what they share is counted once, where that can be read."""
    total = 0
    for one in _family(process):
        with contextlib.suppress(psutil.Error):
            try:
                total += one.memory_full_info().pss
            except psutil.AccessDenied:
                total += one.memory_info().rss
    return total
