"""What a stack leaves whose supervisor was killed: parts that are still ending, and what they had started."""

import time
from pathlib import Path

from components.processes import boot, start_ticks
from flows.stack.process import end_all, members
from flows.stack.state import PartState, StackState

PATIENCE_SECONDS = 15.0
"""The kernel has asked every part to end when the supervisor died; so long they may take."""


def end_leftovers(state: StackState) -> list[str]:
    """Waits for the end of what a dead supervisor has left, and kills what does not end.

    Returns:
        The names of the parts of which something was left.
    """
    traces = {part.name: (_session(part, state), Path(part.log)) for part in state.parts}
    left = [name for name, trace in traces.items() if members(*trace)]
    until = time.monotonic() + PATIENCE_SECONDS
    while any(members(*traces[name]) for name in left) and time.monotonic() < until:
        time.sleep(0.2)
    for name in left:
        end_all(*traces[name])
    return left


def _session(part: PartState, state: StackState) -> int | None:
    """The session of a part; None: another process may have got its number since."""
    ours = part.process is not None and start_ticks(part.process) in (None, part.started)
    return part.process if ours and state.boot == boot() else None
