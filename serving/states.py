"""What each worker of this server serves, in a file each, so that any worker can tell of all."""

from pathlib import Path

from components.presence import WORKERS, Workers, WorkerState, file_of_this_worker, read_workers


class States:
    """The files of one server's workers.

    Args:
        home: folder of the server.
        expected: workers of the server.
    """

    def __init__(self, home: Path, expected: int) -> None:
        self._folder, self._expected = home / WORKERS, expected

    def tell(self, state: WorkerState) -> None:
        """Writes what this worker serves.

        Raises:
            OSError: the disk is full, or gone.
        """
        state.write(file_of_this_worker(self._folder))

    def workers(self) -> Workers:
        """What every worker that lives has said last."""
        return read_workers(self._folder, self._expected)
