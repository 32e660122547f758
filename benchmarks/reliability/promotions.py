"""A hundred promotions and rollbacks under load: no request fails, and each is answered by the version it should be."""

import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.reliability.finding import Finding
from components.promote import promote, rollback
from components.settings import Settings
from tests.serving.running import running
from tests.serving.test_swap import BIASES, SAMPLES, Load
from tests.shelf import NAME, Shelf, answers

MOVES = 100
CLIENTS = 8
WORKERS = 2
TOLERANCE = 2e-6
"""Of a probability: answers in a batch are rounded in another order."""


def move(shelf: Shelf, load: Load, versions: list[int]) -> list[tuple[float, float, int]]:
    """Promotes and rolls back in turn.

    Returns:
        Of each move when it began, when it was done, and the champion since.
    """
    moves = []
    for index in range(MOVES):
        champion = shelf.registry.champion()
        began = time.monotonic()
        if index % 2:
            after = rollback(shelf.settings, NAME, "back again", tell=quiet).after
        else:
            other = next(version for version in versions[index // 2 % 3 :] + versions if version != champion)
            after = promote(shelf.settings, NAME, other, champion, "on we go", tell=quiet).after
        moves.append((began, time.monotonic(), after))
        load_so_far = len(load.answers)
        while len(load.answers) < load_so_far + CLIENTS:  # some are answered between two moves
            time.sleep(0.005)
    return moves


def quiet(said: str) -> None:
    """Hears nothing."""


def stale(load: Load, moves: list[tuple[float, float, int]]) -> int:
    """Answers that were asked for after a move was done and before the next began, by another version."""
    return sum(
        done < asked < following and version != champion
        for (_, done, champion), (following, _, _) in pairwise([*moves, (time.monotonic(), 0.0, 0)])
        for asked, _, version, _ in load.answers
    )


def main() -> list[Finding]:
    """Runs the experiment."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Settings(home=Path(folder) / "home"), Path(folder))
        versions = {shelf.publish(bias): bias for bias in BIASES}
        expected = {version: answers(shelf.package(bias), SAMPLES) for version, bias in versions.items()}
        promote(shelf.settings, NAME, min(versions), None, "the first")
        with running(shelf.settings, Path(folder), workers=WORKERS) as server:
            load = Load(server)
            load.start(CLIENTS)
            moves = move(shelf, load, list(versions))
            load.end()
    wrong = sum(
        not np.allclose(probabilities, expected[version][sample], atol=TOLERANCE)
        for _, sample, version, probabilities in load.answers
    )
    late, seconds = stale(load, moves), sorted(done - began for began, done, _ in moves)
    return [
        Finding(
            promise="No request fails, and none is answered by a version that was replaced before it was asked.",
            kept=not (load.failures or wrong or late),
            figures=(
                f"{len(moves)} promotions and rollbacks while {CLIENTS} clients asked {WORKERS} workers without a "
                f"pause: {len(load.answers)} answered, {len(load.failures)} failed, {wrong} not the answer of the "
                f"version that they name, {late} by the version of before. A move took "
                f"{seconds[len(seconds) // 2]:.2f} s (median; at most {seconds[-1]:.2f} s)."
            ),
            seen=tuple(dict.fromkeys(load.failures)),
        )
    ]
