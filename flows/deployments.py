"""``python -m flows.deployments``: this process as what runs the flows, at their times and when something happens.

It lives until it is stopped; what it was running then is gone on with when it starts again.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from components.errors import TunesmithError, WorkspaceBusy
from components.settings import Settings, export_environment, load_settings, make_folder
from flows.orchestrator import prefect_server
from flows.workspace import enter_root


def main() -> None:
    """Serves the flows retrain, sweep and monitor."""
    enter_root()
    settings = load_settings()
    export_environment(settings)
    signal.signal(signal.SIGTERM, _leave)
    with alone(settings), prefect_server(settings, scheduling=True):
        from flows.deployed import serve_all

        serve_all(settings)


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Holds the flows of this workspace for this process; the kernel lets go of them when it dies, in whatever way.

    Args:
        settings: of them the home folder.

    Raises:
        SettingsError: the home folder cannot be written.
        WorkspaceBusy: another process runs them: to this one, its runs would be ones whose process was killed.
    """
    make_folder(settings.home)
    lock = FileLock(settings.home.resolve() / "deployments.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise WorkspaceBusy(
            f"The flows of {Path.cwd()} are run already: by 'tunesmith up' ('tunesmith ps' shows it), or by another "
            "'python -m flows.deployments'. One process is enough; to run them by this one, stop that one first."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        main()
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
