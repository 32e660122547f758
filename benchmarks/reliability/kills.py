"""Kill -9 at random moments over the whole line: the next run ends with the same package, and nobody helps it."""

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from rich.progress import track

from benchmarks.reliability.finding import Finding
from benchmarks.reliability.small_line import Undisturbed, small_line, undisturbed, wait_until

ROUNDS = 20
SEED = 20
ORPHAN_SECONDS = 15.0
REFRESHED = "champion"
"""The stage that every run asks anew."""


@dataclass(frozen=True)
class Killed:
    """What one kill led to.

    Attributes:
        after: seconds from the start of the run to the kill.
        finished: stages that were finished then.
        lost: those of them that ran again.
        orphans: seconds until nothing that the run had started was left.
        differing: files of the package that are not what they should be.
        fault: why the next run failed; empty: it did not.
    """

    after: float
    finished: frozenset[str]
    lost: frozenset[str]
    orphans: float
    differing: tuple[str, ...]
    fault: str

    @property
    def harmless(self) -> bool:
        """Whether the next run did all that it should."""
        return not (self.fault or self.differing or self.lost) and self.orphans < ORPHAN_SECONDS


def kill_after(seconds: float, reference: Undisturbed) -> Killed | None:
    """Kills a fresh line and runs it again; None: it had ended before it could be killed."""
    with small_line() as line, tempfile.TemporaryDirectory() as folder:
        started = line.start()
        if wait_until(lambda: started.process.poll() is not None, seconds):
            return None
        started.kill()
        killed = time.monotonic()
        wait_until(lambda: not line.processes(), ORPHAN_SECONDS)
        orphans = time.monotonic() - killed
        finished = line.recorded()
        again = line.run()
        if again.process.returncode:
            return Killed(seconds, frozenset(finished), frozenset(), orphans, (), again.failure())
        ran = {stage.stage for stage in line.last().stages if stage.state == "ran"}
        lost = (finished & ran) - {REFRESHED}
        differing = tuple(reference.differing(line, Path(folder) / "package"))
        return Killed(seconds, frozenset(finished), frozenset(lost), orphans, differing, "")


def found(kills: list[Killed], reference: Undisturbed) -> Finding:
    """What all of them say together."""
    harmless = sum(one.harmless for one in kills)
    stages = sorted(len(one.finished) for one in kills)
    after, gone = sorted(one.after for one in kills), sorted(one.orphans for one in kills)
    return Finding(
        promise="Killed at a random moment, the next run ends with the same package; nothing finished is done again.",
        kept=harmless == len(kills),
        figures=(
            f"{harmless} of {len(kills)} kills between {after[0]:.1f} and {after[-1]:.1f} s of a line of "
            f"{reference.seconds:.0f} s, with {stages[0]} to {stages[-1]} stages finished. What the run had started "
            f"was gone after {median(gone):.1f} s (at most {gone[-1]:.1f} s)."
        ),
        seen=tuple(
            f"after {one.after:.1f} s: {one.fault or one.differing or one.lost or one.orphans}"
            for one in kills
            if not one.harmless
        ),
    )


def moments(reference: Undisturbed) -> Iterator[float]:
    """When to kill, without an end; never where a line ends or a little before."""
    chance = random.Random(SEED)  # noqa: S311  no secret
    while True:
        yield chance.uniform(0.2, 0.92 * reference.seconds)


def main() -> list[Finding]:
    """Runs the experiment."""
    with undisturbed() as reference:
        tried = (kill_after(moment, reference) for moment in moments(reference))
        killed = islice((one for one in tried if one), ROUNDS)
        return [found(list(track(killed, "kill -9", total=ROUNDS)), reference)]
