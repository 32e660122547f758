"""How every stage is started: params checked, inputs watched, faults told as sentences.

A stage must not outlive the process that started it: an orphan could overwrite outputs of a later run.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from components.errors import DataError, LineageError, RegistryError, TunesmithError
from components.full_disk import FULL, full_disk
from components.lineage import record_trees, watched
from components.params import Params, load_params
from components.processes import die_with_parent
from components.settings import Settings, export_environment, load_settings

__all__ = ["PARENT", "StageFunction", "die_with_parent", "run_stage"]

PARENT = "TUNESMITH_STAGE_PARENT"
"""Variable with the process that a stage must not outlive; not set where the stage was not started by a run."""
CUT_OFF = os.EX_TEMPFAIL
"""Exit status of a stage that the registry failed: unlike other failures, the same may do later."""
StageFunction = Callable[[Params, Settings], None]


def run_stage(name: str, run: StageFunction) -> None:
    """Runs one stage as a process of its own: what ``python -m components.<name>`` does.

    Exits with 1, or :data:`CUT_OFF`, after a sentence on stderr when the stage fails for a reason that is meant for a
    person.

    Args:
        name: the stage in dvc.yaml.
        run: the stage's work.
    """
    _follow_run()
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
        sys.exit(CUT_OFF if isinstance(error, RegistryError) else 1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = f"{error.filename or Path.cwd()}: {error.strerror}"
        print(f"{name}: {full_disk(place)}", file=sys.stderr)
        sys.exit(1)


def _require(dependencies: list[Path]) -> None:
    missing = [str(path) for path in dependencies if not path.exists()]
    if missing:
        raise DataError(
            f"Not found in {Path.cwd()}: {', '.join(missing)}. `dvc repro` makes what earlier stages give; "
            "data of your own must be put there, or params.yaml must say where it lies."
        )


def _follow_run() -> None:
    """Ends with the run, also where that was killed while this process was still importing what it needs."""
    die_with_parent()
    run = os.environ.pop(PARENT, None)  # a training on several GPUs starts this program again, below itself
    if run and os.getppid() != int(run):
        sys.exit(1)
