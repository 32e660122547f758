"""What workers add, and what too many requests take away: two workers against one, and three times the capacity.

The network of the ResNet preset on images of 96 × 96 pixels, whose inference takes milliseconds: with it neither HTTP
nor the client counts much, and a machine of two processors has one free for the second worker. Two bare ONNX Runtime
loops at once against one, in the same rounds, say what the machine itself has for two: processors that share a core, or
a memory, have less than twice.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from benchmarks.flood import REFUSED, SERVED, Flood, flood
from benchmarks.load import load, request
from benchmarks.ratio import Ratio
from benchmarks.served import Server, grey_images, our_server, publish_champion
from benchmarks.serving import npy
from benchmarks.workspace import ROOT
from components.settings import Settings
from flows.ports import free_port

SIDE = 96
ROUNDS = 5
WARM_UP = 4
"""Rounds that are not counted: ONNX Runtime keeps the memory of every batch size that it has seen."""
SECONDS = 6.0
CONNECTIONS = 16
"""For each worker."""
OVERLOAD = 3.0
FILLING, FLOODED = 4.0, 16.0
"""Seconds until the queue of a flood is full, and those that count: a dozen batches of the most samples."""
LOOP = """
import sys, time, numpy as np
from pathlib import Path
from components.inference import open_graph
session, samples = open_graph(Path(sys.argv[1])), np.load(sys.argv[2])
print("ready", flush=True)
for line in sys.stdin:
    until, runs = time.perf_counter() + float(line), 0
    while time.perf_counter() < until:
        session.run(["probabilities"], {"inputs": samples})
        runs += 1
    print(runs, flush=True)
"""
"""Runs a graph on 16 samples for as many seconds as a line says, and prints how often."""


class Measured(NamedTuple):
    """One round.

    Attributes:
        one: requests a second of one worker.
        two: of two.
        loops: runs a second of one bare loop, and of two at once.
        flood: one worker, asked for three times what it can.
        memory: bytes of that worker after the flood, its own pages alone.
    """

    one: float
    two: float
    loops: tuple[float, float]
    flood: Flood
    memory: int


def main() -> list[Ratio]:
    """Measures, and prints what was answered under the flood."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        settings = Settings(home=folder / "home", port=free_port())
        graph = publish_champion(ROOT / "presets" / "resnet-fashion-mnist.yaml", SIDE, folder, settings)
        servers = [
            running.enter_context(
                our_server(settings.model_copy(update={"port": free_port()}), folder, {"TUNESMITH_WORKERS": workers})
            )
            for workers in ("1", "2")
        ]
        loops = [running.enter_context(_loop(graph, folder)) for _ in range(2)]
        measured = [_round(servers, loops) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
    _show(measured)
    return _ratios(measured)


def _loop(graph: Path, folder: Path) -> subprocess.Popen[str]:
    samples = folder / "samples.npy"
    samples.write_bytes(npy(grey_images(SIDE)))
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP, graph, samples],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _runs_per_second(loops: list[subprocess.Popen[str]]) -> float:
    """Of all together, asked at once."""
    for loop in loops:
        assert loop.stdin is not None
        print(SECONDS / 2, file=loop.stdin, flush=True)
    return sum(int(loop.stdout.readline()) for loop in loops if loop.stdout) / (SECONDS / 2)


def _round(servers: list[Server], loops: list[subprocess.Popen[str]]) -> Measured:
    content = request("/predict", "application/x-npy", npy(grey_images(SIDE)[0]))
    one, two = (_requests_per_second(server, content, workers) for workers, server in enumerate(servers, 1))
    bare = _runs_per_second(loops[:1]), _runs_per_second(loops)
    flooded = flood(servers[0].port, content, OVERLOAD * one, FILLING, FLOODED)
    time.sleep(2 * Settings().max_wait_seconds)  # what was let in is answered
    return Measured(one, two, bare, flooded, _own_memory(servers[0]))


def _requests_per_second(server: Server, content: bytes, workers: int) -> float:
    done = load(server.port, server.process, content, connections=workers * CONNECTIONS, seconds=SECONDS)
    return done.requests / done.seconds


def _own_memory(server: Server) -> int:
    """Of the processes of a server, without what they share."""
    first = psutil.Process(server.process)
    return sum(each.memory_full_info().uss for each in (first, *first.children(recursive=True)))


def _show(measured: list[Measured]) -> None:
    one, two = median(each.one for each in measured), median(each.two for each in measured)
    print(f"one worker {one:.0f} requests a second, two {two:.0f}")
    for each in measured:
        answers, found = dict(each.flood.statuses), each.flood
        served, refused = (sorted(times) or [0.0] for times in (found.latencies, found.refusals))
        print(
            f"at {OVERLOAD:.0f} times {each.one:.0f} a second: {found.served_per_second:.0f} served a second in "
            f"{1000 * median(served):.0f} ms (p99 {1000 * served[len(served) * 99 // 100]:.0f}), refused in "
            f"{1000 * median(refused):.1f} ms; {answers}; {each.memory / 2**20:.0f} MiB"
        )


def _ratios(measured: list[Measured]) -> list[Ratio]:
    note = f"ResNet preset on {SIDE} × {SIDE} pixels, .npy, {CONNECTIONS} connections a worker, {SECONDS:.0f} s a round"
    bare = median(two / one for one, two in (each.loops for each in measured))
    statuses = sum((each.flood.statuses for each in measured), Counter[int]())
    unadvised = sum(each.flood.unadvised for each in measured)
    memory = [each.memory / measured[0].memory for each in measured[1:]]
    return [
        Ratio.of(
            "serving: requests a second, two workers / one",
            [each.two / each.one for each in measured],
            "≥ 1.8",
            f"{note}; two bare loops at once / one: {bare:.2f}",
        ),
        Ratio.of(
            "serving: served a second at three times the capacity / the capacity",
            [each.flood.served_per_second / each.one for each in measured],
            "≥ 0.9",
            f"{note}; one worker; counted for {FLOODED:.0f} s, once the queue was full",
        ),
        Ratio.of(
            f"serving: answers then that are neither {SERVED} nor {REFUSED} with Retry-After",
            [sum(each.flood.improper for each in measured)],
            "≤ 0",
            f"answers by status, all rounds: {dict(statuses)}; {REFUSED} without Retry-After: {unadvised}",
        ),
        Ratio.of("serving: memory after the last floods / after the first", memory, "≤ 1.05", note),
    ]


if __name__ == "__main__":
    main()
