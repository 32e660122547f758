"""What a stack leaves whose supervisor was killed: parts that are still ending, and what they had started."""

import time

from components.processes import start_ticks
from flows.stack.process import end_session, session_members
from flows.stack.state import PartState, StackState

PATIENCE_SECONDS = 15.0
"""The kernel has asked every part to end when the supervisor died; so long they may take."""


def end_leftovers(state: StackState) -> list[str]:
    """Waits for the end of what a dead supervisor has left, and kills what does not end.

    Returns:
        The names of the parts of which something was left.
    """
    sessions = {part.name: part.process for part in state.parts if part.process is not None and _may_be_left(part)}
    left = [name for name, session in sessions.items() if session_members(session)]
    until = time.monotonic() + PATIENCE_SECONDS
    while any(session_members(sessions[name]) for name in left) and time.monotonic() < until:
        time.sleep(0.2)
    for name in left:
        end_session(sessions[name])
    return left


def _may_be_left(part: PartState) -> bool:
    """Whether the number of a part's session can still mean it: not where another process has got it since."""
    return part.process is not None and start_ticks(part.process) in (None, part.started)
