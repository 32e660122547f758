"""The stages of the version, run by force in its clone, and the package of what they have made."""

import time
from pathlib import Path

from components.errors import TunesmithError
from components.settings import Settings
from flows.board import BOARD
from flows.graph import Changes, open_graph
from flows.reproduction.commands import output_of
from flows.reproduction.place import Journal, Place
from flows.reproduction.sources import Sources
from flows.runs import StageResult
from flows.stage_process import end_running_stages, reproduce_stage

STEP = "package"
"""What follows the stages."""


def run_line(place: Place, journal: Journal, sources: Sources, settings: Settings, python: str) -> Journal:
    """Runs every stage that this reproduction has not run yet, then makes the package; in the clone.

    Args:
        place: where the journal is kept.
        journal: what was done before.
        sources: the stages, and those that are not run.
        settings: of the clone.
        python: the interpreter.

    Returns:
        The journal with every stage.

    Raises:
        StageFailed: a stage failed.
        LineageError: the package cannot be made of what they have made.
    """
    board = BOARD.get()
    board.begins([*sources.stages, STEP])
    for stage in sources.stages:
        result = _kept(journal, stage) or _done(stage, sources, settings, python)
        journal = journal.with_stage(result)
        journal.write(place.record)
        board.finished(result)
    _pack(python)
    return journal


def _kept(journal: Journal, stage: str) -> StageResult | None:
    """How a stage ended before, if it was run here and what it made is still as it made it."""
    result = journal.result(stage)
    if result is None or result.state != "ran":
        return None
    with open_graph() as graph:
        return result if _stands(graph.changes(stage)) else None


def _stands(changes: Changes) -> bool:
    """Whether DVC would find nothing to do, but for outputs that are in no cache because they were kept out of it."""
    others = changes.parameters or changes.dependencies or changes.command or not changes.recorded
    return not others and all(output.status == "not in cache" for output in changes.outputs)


def _done(stage: str, sources: Sources, settings: Settings, python: str) -> StageResult:
    """Runs a stage, unless its outputs are those of then.

    Raises:
        StageFailed: it failed; says it in its own words.
    """
    if stage in sources.restored:
        return StageResult(stage=stage, state="restored", seconds=0, summary=sources.restored[stage])
    board, began = BOARD.get(), time.monotonic()
    board.started(stage)
    try:
        return reproduce_stage(
            stage, settings, lambda line: board.said(stage, line), force=True, commit=False, python=python
        )
    except TunesmithError as error:
        seconds = time.monotonic() - began
        board.finished(StageResult(stage=stage, state="failed", seconds=seconds, summary=str(error)))
        raise
    except BaseException:  # Ctrl-C above all: no stage must go on without its run
        end_running_stages()
        raise


def _pack(python: str) -> None:
    board, began = BOARD.get(), time.monotonic()
    board.started(STEP)
    said = output_of(python, "-m", "components.register.packing", folder=Path(), what="Making the package")
    board.finished(StageResult(stage=STEP, state="ran", seconds=time.monotonic() - began, summary=said))
