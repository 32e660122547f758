"""How far long work has come: a bar where someone looks on, a line now and then where the output is kept."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def progress(work: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how much more has been done.

    Args:
        work: what is being done, as it is shown.
        total: how much there is to do.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(work, total=total)
            yield lambda amount: bar.advance(task, amount)
    else:
        yield _lines(work, total)


def _lines(work: str, total: int) -> Callable[[int], None]:
    done, last = 0, time.monotonic()

    def advance(amount: int) -> None:
        nonlocal done, last
        done += amount
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{work}: {done / max(total, 1):.0%}", file=sys.stderr, flush=True)

    return advance
