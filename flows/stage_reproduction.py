"""``python -m flows.stage_reproduction <stage>``: DVC's ``repro`` of one stage, as a process that dies with the run.

A process of its own, because what a stage writes goes to the process's own output, and because two stages that do not
depend on each other may run side by side. Its exit status says how the stage ended.

Later releases call it in the checkout of a commit of today (``tunesmith reproduce``): its arguments and its exit status
must go on to mean what they do.
"""

import argparse
import logging
import os
import re
import signal
import sys
from enum import IntEnum
from pathlib import Path

from components.full_disk import told_of_full_disk
from components.stage import CUT_OFF, PARENT, die_with_parent
from flows.graph import reasons


class Ended(IntEnum):
    """Exit status of this process."""

    RAN = 0
    FAILED = 1
    UNCHANGED = 10
    RESTORED = 11
    """DVC had kept the outputs of an earlier run with the same inputs, and put them in place."""
    CUT_OFF = 12
    """It failed because the registry did not do what was asked."""


def main() -> None:
    """Reproduces the stage and exits with an :class:`Ended`."""
    parser = argparse.ArgumentParser(prog="python -m flows.stage_reproduction", description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--force", action="store_true", help="run it although nothing changed")
    parser.add_argument("--no-commit", action="store_true", help="keep its outputs out of DVC's cache")
    parser.add_argument("--parent", type=int, required=True, help="process that this one must not outlive")
    arguments = parser.parse_args()
    die_with_parent()
    if os.getppid() != arguments.parent:  # it died before it could be followed
        sys.exit(Ended.FAILED)
    os.environ[PARENT] = str(os.getpid())
    sys.exit(reproduce(arguments.stage, force=arguments.force, commit=not arguments.no_commit))


def reproduce(name: str, *, force: bool, commit: bool = True) -> Ended:
    """Lets DVC bring a stage up to date; its faults are told on stderr, as ``<stage>: <sentence>``.

    Args:
        name: the stage.
        force: run it although nothing changed; its outputs are then not taken from an earlier run either.
        commit: whether its outputs are put into DVC's cache, for later runs to take them from there.
    """
    try:
        return _reproduced(name, force=force, commit=commit)
    except Exception as error:  # DVC's own records lie on the disk, too
        told = told_of_full_disk(error, Path())
        if told is None:
            raise
        print(f"{name}: {told}", file=sys.stderr)
        return Ended.FAILED


def _reproduced(name: str, *, force: bool, commit: bool) -> Ended:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage.exceptions import StageCmdFailedError

    watch = _CommandWatch()
    with Repo(_wait_for_lock=True) as repo:
        try:
            done = repo.reproduce(name, single_item=True, force=force, no_commit=not commit)
        except DvcException as error:
            if isinstance(error.__cause__, StageCmdFailedError):
                return _failed(name, error.__cause__)
            print(f"{name}: {reasons(error.__cause__ or error)}", file=sys.stderr)
            return Ended.FAILED
    if not done:
        return Ended.UNCHANGED
    return Ended.RAN if watch.ran else Ended.RESTORED


class _CommandWatch(logging.Handler):
    """Whether DVC ran a command: it says so on the logger of the module that runs them, and nothing else there.

    The rest of what DVC tells in passing is kept from the output of the stage.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.ran = False
        logging.getLogger("dvc").setLevel(logging.WARNING)
        logger = logging.getLogger("dvc.stage.run")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.ran = True


def _failed(name: str, error: Exception) -> Ended:
    """How a command failed; says which signal ended one, which could not say it itself."""
    found = re.search(r"exited with (-?\d+)$", str(error))
    status = int(found[1]) if found else 1
    if status < 0:
        ended_by = signal.Signals(-status).name
        print(f"{name}: it was ended by {ended_by}; SIGKILL often means that memory ran out.", file=sys.stderr)
    return Ended.CUT_OFF if status == CUT_OFF else Ended.FAILED


if __name__ == "__main__":
    main()
