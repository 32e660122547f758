"""The process that keeps all parts: starts them in their order, and stops them in the reverse one."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from components.errors import TunesmithError
from components.processes import boot, start_ticks
from components.running_stack import FILE as RUNNING
from components.running_stack import RunningStack
from flows.stack.keeper import Keeper
from flows.stack.page import write_page
from flows.stack.part import Part
from flows.stack.site import Site
from flows.stack.state import FILE, StackState

Listener = Callable[[StackState], None]
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that end it in good order; the last one says that the terminal is gone."""
REFRESH_SECONDS = 30.0
"""So old may be what the page says of runs."""


class Supervisor:
    """Keeps the parts of a stack.

    Args:
        site: where the stack is.
        parts: each behind those that it needs.
        listener: called after each change, with how everything is.

    Attributes:
        state: how everything is.
    """

    def __init__(self, site: Site, parts: Sequence[Part], listener: Listener) -> None:
        self._site, self._listener = site, listener
        self._keepers = {part.name: Keeper(part, site.home / "logs", self._changed) for part in parts}
        self.state = StackState(
            process=os.getpid(),
            started=start_ticks(os.getpid()) or 0,
            boot=boot(),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            phase="starts",
            parts=tuple(keeper.state for keeper in self._keepers.values()),
        )

    def announce(self) -> None:
        """Says that there is a stack: from now on nobody starts another one here, and every command finds this one."""
        self._become()
        RunningStack(self.state.process, self.state.started, self._site.places()).write(self._site.home)

    async def run(self) -> None:
        """Keeps the parts until a signal ends that, or a part does not come up; then stops them all."""
        asked = asyncio.Event()
        for ending in ENDINGS:
            asyncio.get_running_loop().add_signal_handler(ending, asked.set)
        tasks = [asyncio.create_task(keeper.keep(self._needs(keeper))) for keeper in self._keepers.values()]
        tasks += [asyncio.create_task(self._come_up()), asyncio.create_task(self._refresh())]
        try:
            await self._until(asked, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop()

    def _needs(self, keeper: Keeper) -> list[Keeper]:
        return [self._keepers[need] for need in keeper.part.needs if need in self._keepers]

    async def _come_up(self) -> None:
        for keeper in self._keepers.values():
            await keeper.well.wait()
        self._become(phase="up")

    async def _refresh(self) -> None:
        """Lets the page tell of runs that have ended: no part changes by that."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self._changed()

    async def _until(self, asked: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
        stopping = asyncio.create_task(asked.wait())
        pending: set[asyncio.Task[Any]] = {stopping, *tasks}
        while not stopping.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                if (error := task.exception()) is not None:
                    stopping.cancel()
                    self._become(fault=_told(error))
                    return

    async def _stop(self) -> None:
        """Stops each part when those that need it have been stopped."""
        self._become(phase="stops")
        stops: dict[str, asyncio.Task[None]] = {}

        async def stop(keeper: Keeper) -> None:
            name = keeper.part.name
            await asyncio.gather(*(stops[one] for one in stops if name in self._keepers[one].part.needs))
            await keeper.stop()

        for name, keeper in reversed(self._keepers.items()):
            stops[name] = asyncio.create_task(stop(keeper))
        await asyncio.gather(*stops.values())
        shutil.rmtree(self._site.scratch, ignore_errors=True)
        (self._site.home / RUNNING).unlink(missing_ok=True)
        self._become(phase="ended")

    def _changed(self) -> None:
        self._become(parts=tuple(keeper.state for keeper in self._keepers.values()))

    def _become(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)
        try:
            self.state.write(self._site.home / FILE)
            write_page(self.state, self._site.home)
            self._listener(self.state)
        except OSError as error:  # the disk is full, or the terminal gone: no reason to end what runs
            with contextlib.suppress(OSError):
                print(f"What became of the stack cannot be told: {error}.", file=sys.stderr, flush=True)


def _told(error: BaseException) -> str:
    """What a person is told of what ended the start.

    Raises:
        BaseException: the error itself, where nobody foresaw it.
    """
    if isinstance(error, TunesmithError | OSError):
        return str(error)
    raise error
