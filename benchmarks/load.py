"""A closed-loop HTTP client of few cycles: each connection asks again as soon as it is answered."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = 100
"""USER_HZ of Linux, the unit of /proc/PID/stat (proc(5))."""


@dataclass(frozen=True)
class Round:
    """What one round of load measured.

    Attributes:
        requests: answered with 200.
        seconds: of wall time.
        cpu_seconds: that the server's processes used, the client's not among them.
        p50: median latency in milliseconds, as the client sees it.
        p99: 99th percentile of it.
    """

    requests: int
    seconds: float
    cpu_seconds: float
    p50: float
    p99: float

    @property
    def per_cpu_second(self) -> float:
        """Requests answered for each CPU second of the server."""
        return self.requests / self.cpu_seconds


def request(path: str, content_type: str, body: bytes, *headers: str) -> bytes:
    """A whole HTTP/1.1 request, made once and sent many times."""
    head = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
    return "\r\n".join((*head, *headers, "", "")).encode() + body


def load(port: int, process: int, content: bytes, *, connections: int, seconds: float) -> Round:
    """Asks a server of the loopback for some seconds.

    Args:
        port: of the server.
        process: the server's first process; those below it count too.
        content: the request, from :func:`request`.
        connections: kept open, each with one request under way.
        seconds: how long.

    Raises:
        RuntimeError: an answer was not 200; says which.
    """
    cpu, started = cpu_seconds(process), time.perf_counter()
    latencies = sorted(asyncio.run(_ask(port, content, connections, started + seconds)))
    spent = cpu_seconds(process) - cpu
    return Round(
        len(latencies),
        time.perf_counter() - started,
        spent,
        1000 * latencies[len(latencies) // 2],
        1000 * latencies[len(latencies) * 99 // 100],
    )


async def _ask(port: int, content: bytes, connections: int, until: float) -> list[float]:
    parts = await asyncio.gather(*(_connection(port, content, until) for _ in range(connections)))
    return [latency for part in parts for latency in part]


async def _connection(port: int, content: bytes, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies = []
    while (asked := time.perf_counter()) < until:
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r")[0]
        body = await reader.readexactly(int(length))
        if b" 200 " not in head[:15]:
            raise RuntimeError(f"{head.decode()}{body[:300].decode()}")
        latencies.append(time.perf_counter() - asked)
    writer.close()
    return latencies


def cpu_seconds(process: int) -> float:
    """User and system time of a process and of all below it, those that have ended included (proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / TICKS_PER_SECOND
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)
