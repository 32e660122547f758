"""What keeps one part alive: waits for what it needs, starts it, asks it how it is, and starts it again."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from components.errors import ServingError
from components.processes import start_ticks
from flows.stack import process
from flows.stack.part import Part
from flows.stack.state import PartState

PATIENCE_SECONDS = 240.0
"""How long a part may take until it answers for the first time."""
GLANCE_SECONDS, LOOK_SECONDS = 0.3, 5.0
"""How long after an answer it is asked again, while it starts and later."""
MISSES = 3
"""So many questions without an answer, one after the other, and it counts as silent."""
QUICK_SECONDS, QUICK_DEATHS = 60.0, 5
"""So many deaths in a row, each so soon after its start, and it is not started again."""
LONGEST_PAUSE_SECONDS = 30.0
LAST_LINES = 3
LOG_BYTES = 50 * 2**20
"""A log that is longer becomes ``<part>.log.1``, and a new one begins."""


class Keeper:
    """Keeps one part.

    Args:
        part: that is kept.
        logs: folder of its log.
        changed: called after each change of ``state``.

    Attributes:
        state: how the part is.
        well: set while it is healthy.
    """

    def __init__(self, part: Part, logs: Path, changed: Callable[[], None]) -> None:
        self.part, self._changed = part, changed
        self._log = logs / f"{part.name}.log"
        self.state = PartState(name=part.name, about=part.about, address=part.address, log=str(self._log))
        self.well = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self, needs: Sequence["Keeper"]) -> None:
        """Keeps the part until it is cancelled, or has died too often.

        Raises:
            ServingError: it did not come up the first time.
        """
        deaths = 0
        while True:
            for need in needs:
                await need.well.wait()
            began = time.monotonic()
            await self._run_once()
            deaths = deaths + 1 if time.monotonic() - began < QUICK_SECONDS else 1
            if deaths == QUICK_DEATHS:
                self._become(condition="failed", fault=self._died(f" {deaths} times, soon after each start"))
                return
            self._become(condition="restarts", restarts=self.state.restarts + 1)
            await asyncio.sleep(min(2.0 ** (deaths - 1), LONGEST_PAUSE_SECONDS))

    async def _run_once(self) -> None:
        """Starts the part, and returns when it has died."""
        await asyncio.to_thread(self.part.prepare)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process = await process.start(self.part, self._log)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        first = self.state.restarts == 0
        number = self._process.pid
        self._become(condition="starts", process=number, started=start_ticks(number), since=now, seconds=None)
        try:
            await self._watch(self._process, first=first)
        finally:
            self.well.clear()
        if first and self.state.seconds is None:
            raise ServingError(self._died(" before it was healthy"))
        process.end_session(self._process.pid)  # what it started would keep its port

    async def _watch(self, running: asyncio.subprocess.Process, *, first: bool) -> None:
        ended, began, misses = asyncio.ensure_future(running.wait()), time.monotonic(), 0
        while not ended.done():
            answered = await asyncio.to_thread(self.part.healthy)
            if ended.done():
                return
            misses = 0 if answered else misses + 1
            passed = time.monotonic() - began
            if answered and self.state.condition != "healthy":
                seconds = self.state.seconds or round(passed, 1)
                self.well.set()
                self._become(condition="healthy", seconds=seconds)
            elif misses == MISSES and self.state.condition == "healthy":
                self.well.clear()
                self._become(condition="silent")
            if first and self.state.seconds is None and passed > PATIENCE_SECONDS:
                raise ServingError(self._sentence(f"does not answer after {PATIENCE_SECONDS:.0f} s"))
            _shorten(self._log)
            pause = LOOK_SECONDS if self.state.condition == "healthy" else GLANCE_SECONDS
            await asyncio.wait([ended], timeout=pause)

    async def stop(self) -> None:
        """Ends the part, and all that it started; whoever calls this has cancelled what keeps it."""
        if self._process is not None and self._process.returncode is None:
            self._become(condition="stops")
            await process.stop(self._process, self.part.stop)
        self._become(condition="stopped" if self.state.condition != "failed" else "failed", process=None)

    def _become(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)
        self._changed()

    def _died(self, when: str) -> str:
        status = self._process.returncode if self._process else None
        how = f"was killed by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        return self._sentence(how + when)

    def _sentence(self, what: str) -> str:
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing"]
        last = "".join(f"  {line[:400]}\n" for line in said[-LAST_LINES:])
        return f"{self.part.name} {what}. It said last:\n{last}Its whole output is in {self._log}."


def _shorten(log: Path) -> None:
    """Begins the log anew when it has become long. The part goes on writing: to its end, wherever that is."""
    with contextlib.suppress(FileNotFoundError):  # somebody has taken it away
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            log.open("wb").close()
