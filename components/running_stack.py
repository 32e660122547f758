"""Where the stack that ``tunesmith up`` started has its servers: what it says to the settings of every other command.

A stack that is killed leaves its file behind; what it says counts while the process lives that wrote it.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from components.errors import SettingsError
from components.files import read_json, write_bytes
from components.processes import boot, start_ticks

FILE = Path("stack") / "environment.json"
"""In the home folder."""
DECIDED = "TUNESMITH_STACK_DECIDED"
"""Variable of a process tree that has looked already: what it runs must not find another registry halfway."""


@dataclass(frozen=True)
class RunningStack:
    """A stack of this machine.

    Attributes:
        process: that keeps its parts.
        started: when that began, in clock ticks since the machine did.
        places: settings by their names (``tracking_uri``, …), with what they are while it lives.
        boot: run of the machine in which it was started.
    """

    process: int
    started: int
    places: dict[str, str]
    boot: str = field(default_factory=boot)

    def alive(self) -> bool:
        """Whether the process is there."""
        return self.boot == boot() and start_ticks(self.process) == self.started

    def write(self, home: Path) -> None:
        """Makes it known; nobody else may read it, because an address may have a password in it."""
        write_bytes(home / FILE, json.dumps(asdict(self), indent=2).encode(), mode=0o600)


def running_places(home: Path) -> dict[str, str]:
    """What the stack of a home folder says, if one runs and this process tree has not decided before.

    Raises:
        SettingsError: the file cannot be read.
    """
    if DECIDED in os.environ:
        return {}
    path = home / FILE
    try:
        found = RunningStack(**read_json(path))
    except (FileNotFoundError, NotADirectoryError):  # the latter: commands will say that the home folder is a file
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error}), so nobody knows whether a stack runs here. Ask as the user who has "
            "started it, or stop it with 'tunesmith down' and delete the file."
        ) from None
    return found.places if found.alive() else {}
