"""A full disk in each stage: what the user reads, and that the next run is right.

The workspace is a small file system of its own. When a stage says that it runs, the rest of the disk is taken; when the
run has failed, it is given back, and the next run goes on, into a disk that is filled in the stage after. Temporary
files lie on the same disk. Mounting wants root.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.finding import Finding
from benchmarks.reliability.small_line import Line, small_line, undisturbed

MEGABYTES = 512
STAGES = (
    "fetch",
    "feedback",
    "ingest",
    "validate",
    "prepare",
    "augment",
    "train",
    "compress",
    "evaluate",
    "register",
    "gate",
    "promote",
)
CHUNK = 2**20
SENTENCE = "The disk is full"


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A file system that is soon full."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No byte more fits on the disk, for the length of a block."""
    filler = disk / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:  # others write meanwhile
            while True:
                file.write(bytes(CHUNK))
        yield
    finally:
        filler.unlink()


def fill_in(stage: str, line: Line, disk: Path) -> tuple[int, str, list[str]]:
    """Runs the line into a disk that is full from the start of a stage on.

    Returns:
        Its exit status, its last words, and the lines of tracebacks in what it said.
    """
    started = line.start()
    if not started.until_running(stage):
        return started.wait(), f"it ended before {stage}: {started.failure()}", []
    with filled(disk):
        status = started.wait()
    return status, started.failure(), [text for text in started.said if "Traceback" in text]


def main() -> list[Finding]:
    """Runs the experiment."""
    findings = []
    with undisturbed() as reference, small_disk() as disk, tempfile.TemporaryDirectory() as folder:
        temporary = disk / "tmp"
        temporary.mkdir()
        with small_line(disk, {"TMPDIR": str(temporary)}) as line:
            for stage in STAGES:
                status, said, tracebacks = fill_in(stage, line, disk)
                findings.append(
                    Finding(
                        promise=f"The disk is full from the start of {stage} on.",
                        kept=not tracebacks and (status == 0 or SENTENCE in said),
                        figures=f"Exit status {status}.",
                        seen=(said, *tracebacks),
                    )
                )
            last = line.run()
            failed = last.process.returncode != 0
            differing = [last.failure()] if failed else reference.differing(line, Path(folder) / "package")
    after = Finding(
        promise="With space again, the next run ends with the same package.",
        kept=not differing,
        figures=f"After {len(STAGES)} runs into a full disk, one after the other in one workspace.",
        seen=tuple(differing),
    )
    return [*findings, after]
