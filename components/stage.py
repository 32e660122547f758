"""How every stage is started: params checked, inputs watched, faults told as sentences.

A stage must not outlive the process that started it: an orphan could overwrite outputs of a later run.
"""

import ctypes
import errno
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from components.errors import DataError, LineageError, TunesmithError
from components.lineage import record_trees, watched
from components.params import Params, load_params
from components.settings import Settings, export_environment, load_settings

PR_SET_PDEATHSIG = 1
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when a disk, or a user's share of it, is full."""
StageFunction = Callable[[Params, Settings], None]


def run_stage(name: str, run: StageFunction) -> None:
    """Runs one stage as a process of its own: what ``python -m components.<name>`` does.

    Exits with 1 after a sentence on stderr when the stage fails for a reason that is meant for a person.

    Args:
        name: the stage in dvc.yaml.
        run: the stage's work.
    """
    die_with_parent()
    try:
        settings = load_settings()
        export_environment(settings)
        params = load_params()  # its faults are told before dvc.yaml is filled in from it
        with watched(name) as dependencies:
            _require(dependencies)
            if load_params() != params:
                raise LineageError("params.yaml changed while the stage was starting. Run it again when it is at rest.")
            run(params, settings)
        record_trees(dependencies, settings.home / "trees")
    except TunesmithError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(f"{name}: {full_disk(error)}", file=sys.stderr)
        sys.exit(1)


def full_disk(error: OSError) -> str:
    """What a person is told when a file could not be written to its end."""
    file = error.filename or Path.cwd()
    return (
        f"The disk is full ({file}: {error.strerror}). Outputs of before are whole; free some space and run it again: "
        "what was finished is kept."
    )


def _require(dependencies: list[Path]) -> None:
    missing = [str(path) for path in dependencies if not path.exists()]
    if missing:
        raise DataError(
            f"{', '.join(missing)} does not exist here ({Path.cwd()}). `dvc repro` makes what earlier stages give; "
            "data of your own must be put there, or params.yaml must say where it lies."
        )


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies (Linux, prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
