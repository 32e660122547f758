"""The threads beside the event loop that decode what takes long, and who may wait for one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.errors import Overloaded
from serving.pace import Pace

C = TypeVar("C")
R = TypeVar("R")


class DecodingThreads:
    """Decodes so many bodies at once; others wait in the order in which they came. Used from one event loop.

    Args:
        threads: so many at once: each may take 100 MB.
        max_wait: seconds: who would wait longer for a thread is refused at once, as far as the pace of late tells, and
            who has waited so long is refused then. One before whom nobody else waits is let wait.
    """

    def __init__(self, threads: int, max_wait: float) -> None:
        self._count, self._max_wait = threads, max_wait
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="decoding")
        self._free = asyncio.Semaphore(threads)
        self._waiting = 0
        self._pace = Pace()

    async def decode(self, decode: Callable[[C], R], content: C) -> R:
        """What ``decode`` gives, or raises, for a body.

        Raises:
            Overloaded: too many wait for a thread.
        """
        await self._thread()
        loop = asyncio.get_running_loop()
        job, began = self._threads.submit(decode, content), loop.time()
        # Not when the request ends: one that is cancelled leaves its thread at work.
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended, loop.time() - began))
        return await asyncio.wrap_future(job)

    async def _thread(self) -> None:
        """Waits for one."""
        if self._waiting and self._pace.of(self._waiting + 1) / self._count > self._max_wait:
            raise self._overloaded()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._max_wait):
                await self._free.acquire()
        except TimeoutError:
            raise self._overloaded() from None
        finally:
            self._waiting -= 1

    def _overloaded(self) -> Overloaded:
        return Overloaded(f"{self._waiting} requests wait to be decoded already; ask again in a second.")

    def _ended(self, seconds: float) -> None:
        self._pace.learn(seconds)
        self._free.release()

    def close(self) -> None:
        """Returns once nothing is decoded any more."""
        self._threads.shutdown()
