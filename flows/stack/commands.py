"""What ``tunesmith up`` and ``down`` do."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from components.errors import ServingError, WorkspaceBusy
from components.settings import Settings
from flows.stack.checks import require_startable
from flows.stack.greeting import greet
from flows.stack.leftovers import end_leftovers
from flows.stack.logs import SUPERVISOR, last_lines
from flows.stack.parts import names_without, parts_of
from flows.stack.report import Progress
from flows.stack.site import Site, scratch_of, site_of
from flows.stack.state import StackState, read_state
from flows.stack.supervisor import Supervisor

GLANCE_SECONDS = 0.2
FAREWELL_SECONDS = 180.0


def up(settings: Settings, left_out: Sequence[str], console: Console) -> None:
    """Starts the stack, leaves its supervisor behind, and returns when everything is healthy.

    Raises:
        SettingsError: something is missing or taken; nothing was started.
        WorkspaceBusy: a stack runs here already.
        ServingError: a part does not come up; everything was stopped again.
    """
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        with starting(settings, left_out) as site:
            supervisor = _leave_behind(site)
            _until_announced(supervisor, site)
        state = _follow(supervisor, site, Progress(console))
    except KeyboardInterrupt:
        if supervisor is not None:
            supervisor.terminate()
            supervisor.wait()
        raise
    if state is None or state.phase != "up":
        raise ServingError(_why(site, state))
    greet(site, console)


@contextlib.contextmanager
def starting(settings: Settings, left_out: Sequence[str]) -> Iterator[Site]:
    """Makes sure that a stack can start here, and keeps others from starting one until the block has announced it.

    Yields:
        Where it is to be.

    Raises:
        SettingsError: something is missing or taken.
        WorkspaceBusy: a stack runs here already.
    """
    home = settings.home.resolve()
    (home / "stack").mkdir(parents=True, exist_ok=True)
    with FileLock(home / "stack" / "start.lock"):
        _require_none(home)
        names = names_without(left_out, prefect_elsewhere=settings.prefect_api_url is not None)
        site = site_of(settings, names)
        require_startable(site, parts_of(site))
        _put_aside(home, [*names, SUPERVISOR])
        yield site


def _require_none(home: Path) -> None:
    if (state := read_state(home)) is None:
        return
    if state.alive():
        raise WorkspaceBusy(
            f"A stack runs in {home} already (process {state.process}, since {state.since}). 'tunesmith ps' shows it, "
            "'tunesmith down' stops it."
        )
    end_leftovers(state)


def _put_aside(home: Path, names: Sequence[str]) -> None:
    """Lets every log begin anew; that of the start before it is kept as ``<part>.log.1``."""
    (home / "logs").mkdir(parents=True, exist_ok=True)
    for name in names:
        log = home / "logs" / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))


def _leave_behind(site: Site) -> subprocess.Popen[bytes]:
    with (site.home / "logs" / f"{SUPERVISOR}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.stack", *sorted(site.names)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # the end of the terminal is not its end
        )


def _until_announced(supervisor: subprocess.Popen[bytes], site: Site) -> None:
    while supervisor.poll() is None and _own(supervisor, site) is None:
        time.sleep(GLANCE_SECONDS)


def _own(supervisor: subprocess.Popen[bytes], site: Site) -> StackState | None:
    state = read_state(site.home)
    return state if state is not None and state.process == supervisor.pid else None


def _follow(supervisor: subprocess.Popen[bytes], site: Site, progress: Progress) -> StackState | None:
    """Prints what happens until everything is healthy, or the supervisor has ended."""
    while True:
        ended = supervisor.poll() is not None
        state = _own(supervisor, site)
        if state is not None:
            progress.saw(state)
        if ended or (state is not None and state.phase == "up"):
            return state
        time.sleep(GLANCE_SECONDS)


def _why(site: Site, state: StackState | None) -> str:
    log = site.home / "logs" / f"{SUPERVISOR}.log"
    ended = f"its supervisor was ended; {log} has what it said"
    if state is None:  # it did not get as far as that
        said = last_lines(log, 1)
        reason = said[0] if said else ended
    else:
        reason = state.fault or ended
    return f"The stack did not come up, and nothing of it runs: {reason}"


def run_here(settings: Settings, left_out: Sequence[str], console: Console) -> None:
    """Starts the stack and keeps it in this process, until a signal ends it.

    Raises:
        SettingsError: something is missing or taken; nothing was started.
        WorkspaceBusy: a stack runs here already.
        ServingError: a part did not come up; everything was stopped again.
    """
    progress, greeted = Progress(console), False

    def listen(state: StackState) -> None:
        nonlocal greeted
        progress.saw(state)
        if state.phase == "up" and not greeted:
            greeted = True
            greet(site, console)

    with starting(settings, left_out) as site:
        supervisor = Supervisor(site, parts_of(site), listen)
        supervisor.announce()
    asyncio.run(supervisor.run())
    if supervisor.state.fault:
        raise ServingError(_why(site, supervisor.state))


def down(settings: Settings, console: Console) -> None:
    """Stops the stack, the last part first, and says what was stopped.

    Raises:
        ServingError: its supervisor did not end, and was killed with all that was left.
    """
    home = settings.home.resolve()
    state = read_state(home)
    if state is None or not state.alive():
        left = end_leftovers(state) if state is not None else []
        shutil.rmtree(scratch_of(home), ignore_errors=True)
        console.print(f"Its supervisor was gone; ended {', '.join(left)}." if left else "No stack runs here.")
        return
    try:
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.kill(state.process, signal.SIGTERM)
    except PermissionError:
        raise ServingError(f"The supervisor (process {state.process}) is another user's, who can stop it.") from None
    progress, until = Progress(console, events=("stopped",)), time.monotonic() + FAREWELL_SECONDS
    while state.alive() and time.monotonic() < until:
        progress.saw(read_state(home) or state)
        time.sleep(GLANCE_SECONDS)
    last = read_state(home) or state
    if state.alive():
        os.kill(state.process, signal.SIGKILL)
        end_leftovers(last)
        raise ServingError(f"The supervisor (process {state.process}) did not end, and was killed with all its parts.")
    progress.saw(last)
    console.print("The stack is down; what it holds is kept.")
