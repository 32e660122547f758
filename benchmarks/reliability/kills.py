"""Kill -9 at random moments over the whole line: the next run ends with the same package, and nobody helps it."""

import random
import tempfile
import time
from dataclasses import dataclass
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


def kill_after(seconds: float, reference: Undisturbed) -> Killed:
    """Kills a fresh line and runs it again."""
    with small_line() as line, tempfile.TemporaryDirectory() as folder:
        started = line.start()
        time.sleep(seconds)
        assert started.process.poll() is None, "it had ended before it could be killed"
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


def moments(reference: Undisturbed) -> list[float]:
    """When to kill; the end of the line is left out, where a run may be over sooner than that of the reference."""
    chance = random.Random(SEED)  # noqa: S311  no secret
    return [chance.uniform(0.2, 0.92 * reference.seconds) for _ in range(ROUNDS)]


def main() -> list[Finding]:
    """Runs the experiment."""
    with undisturbed() as reference:
        kills = [kill_after(moment, reference) for moment in track(moments(reference), "kill -9")]
        return [found(kills, reference)]
