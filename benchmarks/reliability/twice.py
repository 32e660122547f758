"""Two runs at once in one checkout: the second says why it does nothing, and the first is not disturbed."""

import tempfile
from pathlib import Path

from benchmarks.reliability.finding import Finding
from benchmarks.reliability.small_line import small_line, undisturbed

MOMENTS = ("ingest", "train", "evaluate")


def main() -> list[Finding]:
    """Runs the experiment."""
    with undisturbed() as reference, small_line() as line, tempfile.TemporaryDirectory() as folder:
        first = line.start()
        seconds = []
        for stage in MOMENTS:
            first.until_running(stage)
            seconds.append(line.run())
        status = first.wait()
        differing = reference.differing(line, Path(folder) / "package") if status == 0 else [first.failure()]
    refused = [one.process.returncode == 1 and "is at work in" in one.failure() for one in seconds]
    return [
        Finding(
            promise="Of two runs at once in one checkout the second says why it does nothing; the first goes on.",
            kept=all(refused) and not differing,
            figures=f"{sum(refused)} of {len(MOMENTS)} refused, during {', '.join(MOMENTS)}; exit status 1.",
            seen=(seconds[0].failure(), *differing),
        )
    ]
