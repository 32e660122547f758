"""Variables that look like settings and are none: pydantic leaves out what it does not know."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from components.settings import PREFIX, Settings

OTHERS = re.compile(rf"{PREFIX}(STACK_\w+|SERVER_HOME|SERVER_PID|STAGE_PARENT|EXTRAS|TORCH_INDEX)")
"""Variables of the stack, of processes that start one another, and of the building of images."""


def misspelt(environment: Iterable[str]) -> Iterator[str]:
    """A sentence about each variable that looks like a setting, and is none.

    Args:
        environment: the names of variables.
    """
    for name in sorted(environment):
        setting = name.removeprefix(PREFIX).lower()
        if name.startswith(PREFIX) and setting not in Settings.model_fields and not OTHERS.fullmatch(name):
            close = get_close_matches(setting, Settings.model_fields, n=1)
            meant = f"Did you mean {PREFIX}{close[0].upper()}?" if close else "docs/settings.md has them all."
            yield f"{name} is no setting, and nothing reads it. {meant}"
