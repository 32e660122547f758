"""What each worker of this server serves, in a file each, so that any worker can tell it of all."""

import contextlib
import os
from pathlib import Path

from components.presence import Workers, WorkerState


class States:
    """The files of one server's workers.

    Args:
        folder: of the server.
        expected: workers of the server.
    """

    def __init__(self, folder: Path, expected: int) -> None:
        self._folder, self._expected = folder, expected

    def tell(self, state: WorkerState) -> None:
        """Writes what this worker serves.

        Raises:
            OSError: the disk is full, or gone.
        """
        state.write(self._folder / f"{os.getpid()}.json")

    def workers(self) -> Workers:
        """What every worker that lives has said last."""
        states = []
        for file in sorted(self._folder.glob("*.json")):
            if not Path(f"/proc/{file.stem}").exists():
                file.unlink(missing_ok=True)
                continue
            with contextlib.suppress(OSError, ValueError):  # it ends at this moment
                states.append(WorkerState.read(file))
        return Workers(expected=self._expected, states=tuple(states))
