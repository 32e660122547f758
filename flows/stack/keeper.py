"""What keeps one part alive: waits for what it needs, starts it, asks it how it is, and starts it again."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.errors import ServingError, TunesmithError
from components.processes import start_ticks
from flows.stack import process
from flows.stack.logs import last_lines, shorten
from flows.stack.part import Part
from flows.stack.pulse import Pulse
from flows.stack.state import PartState

GLANCE_SECONDS, LOOK_SECONDS = 0.3, 5.0
"""How long after an answer it is asked again, until the first answer and later."""
QUICK_SECONDS, QUICK_ENDS = 60.0, 5
"""So many ends in a row, each so soon after its start, and it is not started again."""
PAUSE_SECONDS = 1.0
"""Before it is started again; twice as long after each further quick end."""
LAST_LINES = 3


@dataclass(frozen=True)
class End:
    """How one life of a part has ended.

    Attributes:
        seconds: that it was of use: from its start to its death, or to its last answer where it was ended.
        how: in words that follow its name.
    """

    seconds: float
    how: str


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
        """Keeps the part until it is cancelled, or has ended too often.

        Args:
            needs: what must be healthy before each start.

        Raises:
            TunesmithError: it did not come up the first time.
            OSError: the same.
        """
        quick = 0
        while True:
            for need in needs:
                await need.well.wait()
            end = await self._run_once(needs)
            quick = quick + 1 if end.seconds < QUICK_SECONDS else 1
            if quick == QUICK_ENDS:
                fault = self._sentence(f"{end.how} {quick} times, soon after each start")
                self._become(condition="failed", process=None, fault=fault)
                return
            self._become(condition="restarts", restarts=self.state.restarts + 1, ended=end.how)
            await asyncio.sleep(PAUSE_SECONDS * 2 ** (quick - 1))

    async def _run_once(self, needs: Sequence["Keeper"]) -> End:
        """Starts the part, and returns when it has died, or hung and was ended."""
        first = self.state.restarts == 0
        try:
            running = await self._start()
        except (TunesmithError, OSError) as error:
            if first:
                raise
            return End(0.0, f"could not be started ({error})")
        try:
            end = await self._watch(running, needs)
        finally:
            self.well.clear()
        if first and self.state.seconds is None:
            raise ServingError(self._sentence(f"{end.how} before it was healthy"))
        if running.returncode is None:
            await process.stop(running, self.part.stop, self._log)
        process.end_all(running.pid, self._log)  # what it started would keep its port
        return end

    async def _start(self) -> asyncio.subprocess.Process:
        await asyncio.to_thread(self.part.prepare)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process = await process.start(self.part, self._log)
        now, number = datetime.now(UTC).isoformat(timespec="seconds"), self._process.pid
        self._become(condition="starts", process=number, started=start_ticks(number), since=now, seconds=None)
        return self._process

    async def _watch(self, running: asyncio.subprocess.Process, needs: Sequence["Keeper"]) -> End:
        ended, pulse = asyncio.ensure_future(running.wait()), Pulse()
        while not ended.done():
            answered = await asyncio.to_thread(self.part.healthy)
            if ended.done():
                break
            pulse.take(answered=answered, excused=not all(need.well.is_set() for need in needs))
            self._feel(pulse, answered=answered)
            if hangs := pulse.hangs():
                return End(pulse.answered or 0.0, hangs)
            shorten(self._log)
            await asyncio.wait([ended], timeout=GLANCE_SECONDS if pulse.answered is None else LOOK_SECONDS)
        return End(pulse.seconds, _died(ended.result()))

    def _feel(self, pulse: Pulse, *, answered: bool) -> None:
        if answered and self.state.condition != "healthy":
            self.well.set()
            self._become(condition="healthy", seconds=self.state.seconds or round(pulse.seconds, 1))
        elif pulse.silent and self.state.condition == "healthy":
            self.well.clear()
            self._become(condition="silent")

    async def stop(self) -> None:
        """Ends the part, and all that it started; whoever calls this has cancelled what keeps it."""
        if self._process is not None and self._process.returncode is None:
            self._become(condition="stops")
            await process.stop(self._process, self.part.stop, self._log)
        if self._process is not None:
            process.end_all(self._process.pid, self._log)  # it may have died and left what it had started
        self._become(condition="stopped" if self.state.condition != "failed" else "failed", process=None)

    def _become(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)
        self._changed()

    def _sentence(self, what: str) -> str:
        said = last_lines(self._log, LAST_LINES) or ["nothing"]
        last = "".join(f"  {line[:400]}\n" for line in said)
        return f"{self.part.name} {what}. It said last:\n{last}Its whole output is in {self._log}."


def _died(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
