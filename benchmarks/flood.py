"""An open-loop HTTP client: requests come at a rate, whatever becomes of those before, as those of many people do."""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field

SERVED, REFUSED = 200, 503


@dataclass
class Flood:
    """What became of the requests of one flood.

    Attributes:
        seconds: over which ``settled`` was counted.
        settled: requests that were answered with 200 in them.
        statuses: how many answers had which.
        latencies: of those that were served, in seconds.
        refusals: latencies of those that were refused with 503.
        unadvised: refusals without ``Retry-After``.
    """

    seconds: float
    settled: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    unadvised: int = 0

    @property
    def served_per_second(self) -> float:
        """Requests that were answered with 200, once the queue was full.

        From an empty queue to an end between two batches, work that was begun and not yet answered would be missing.
        """
        return self.settled / self.seconds

    @property
    def improper(self) -> int:
        """Answers that are neither 200 nor a refusal with ``Retry-After``."""
        return self.statuses.total() - self.statuses[SERVED] - self.statuses[REFUSED] + self.unadvised


def flood(port: int, content: bytes, rate: float, filling: float, seconds: float) -> Flood:
    """Sends a request again and again to a server of the loopback.

    Args:
        port: of the server.
        content: the request, from :func:`benchmarks.load.request`.
        rate: requests a second.
        filling: seconds until the queue is full.
        seconds: how long from then on.

    Returns:
        What was answered before the time was over.
    """
    return asyncio.run(_Client(port, content).flood(rate, filling, seconds))


class _Client:
    """Keeps as many connections open as there are requests under way."""

    def __init__(self, port: int, content: bytes) -> None:
        self._port, self._content = port, content
        self._full = 0.0
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def flood(self, rate: float, filling: float, seconds: float) -> Flood:
        found, began = Flood(seconds), time.perf_counter()
        self._full = began + filling
        async with asyncio.TaskGroup() as group:
            asked: list[asyncio.Task[None]] = []
            while (elapsed := time.perf_counter() - began) < filling + seconds:
                due = int(elapsed * rate) - len(asked)
                asked += [group.create_task(self._ask(found)) for _ in range(due)]
                await asyncio.sleep(1 / rate)
            for task in asked:
                task.cancel()
        return found

    async def _ask(self, found: Flood) -> None:
        asked = time.perf_counter()
        connection = self._idle.popleft() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = connection
        writer.write(self._content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r")[0]))
        status, latency = int(head[9:12]), time.perf_counter() - asked
        found.statuses[status] += 1
        if status == SERVED:
            found.settled += time.perf_counter() >= self._full
            found.latencies.append(latency)
        elif status == REFUSED:
            found.refusals.append(latency)
            found.unadvised += b"retry-after:" not in head
        self._idle.append(connection)
