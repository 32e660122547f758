"""The control of BentoML's workers, kept from everybody else on the machine.

Circus, by which BentoML starts its workers, obeys whoever reaches its endpoint, and one of its commands starts any
program. BentoML opens that endpoint on a port of loopback, where every user of the machine reaches it, and where some
other program may have taken the port a moment before.
"""

import shutil
import tempfile
from typing import Any

from bentoml._internal.utils import circus

from components.errors import SettingsError

LONGEST = 107
"""Bytes that the path of a socket may have (unix(7))."""
CHECK_SECONDS = 10
"""Between two looks at the workers, as BentoML has it."""


def keep_control_private() -> None:
    """Lets BentoML control its workers through sockets in a folder that only the server's own user can enter."""
    circus.create_standalone_arbiter = _private_arbiter


def _private_arbiter(watchers: list[Any], *, threaded: bool = False, **more: Any) -> circus.Arbiter:
    folder = tempfile.mkdtemp(prefix="tunesmith-control-")  # its permissions are 0700
    if len(f"{folder}/control".encode()) > LONGEST:
        shutil.rmtree(folder)
        raise SettingsError(f"TMPDIR={tempfile.gettempdir()} is too long a path for a socket. Set it to a shorter one.")
    kind = circus.ThreadedArbiter if threaded else circus.Arbiter
    arbiter = kind(
        watchers,
        endpoint=f"ipc://{folder}/control",
        pubsub_endpoint=f"ipc://{folder}/events",
        **{"check_delay": CHECK_SECONDS, **more},
    )
    arbiter.exit_stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return arbiter
