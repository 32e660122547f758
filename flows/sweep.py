"""``tunesmith sweep``: the search with a table that lives on the terminal, and its winner written into params.yaml."""

import difflib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from components.errors import ParamsError
from components.files import write_text
from components.params import Params, load_params, parse_params
from components.params.editing import with_values
from components.params.sections import SweepParams
from components.settings import Settings
from components.sweep.record import REPORT, Listener, Sweep, Trial, best, summary_values
from components.sweep.run import required, sweep
from flows.board import duration
from flows.workspace import exclusive

PARAMS = Path("params.yaml")
SHOWN = 12
"""Trials of the live table: those that run, and the best of the rest."""
STYLES = {"running": "bold", "complete": "green", "failed": "red", "diverged": "red"}


class SweepBoard:
    """A table of the trials, drawn anew several times a second.

    Attributes:
        section: the section ``sweep``.
        trials: those that have begun, by number.
    """

    def __init__(self, section: SweepParams) -> None:
        self.section = section
        self.trials: dict[int, Trial] = {}
        self.began = time.monotonic()

    def changed(self, trial: Trial) -> None:
        """Shows what has become of a trial."""
        self.trials[trial.number] = trial

    def __rich__(self) -> RenderableType:
        """The table of this moment."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("trial", "values", "epoch", "score", ""):
            table.add_column(name, no_wrap=name != "values", overflow="fold")
        for trial in shown(tuple(self.trials.values())):
            score = "" if trial.score is None else f"{trial.score:.4f}"
            state = Text(trial.state.replace("_", " "), style=STYLES.get(trial.state, "dim"))
            table.add_row(str(trial.number), summary_values(trial.values), f"{len(trial.epochs)}", score, state)
        return Group(table, Text(self._caption(), style="dim"))

    def _caption(self) -> str:
        ended = [trial for trial in self.trials.values() if trial.state != "running"]
        if not self.trials:
            return "Ray is starting."
        top = best(tuple(self.trials.values()))
        standing = "" if top is None else f", best {self.trials[top].score:.4f} (trial {top})"
        count = f"{len(ended)} of at most {self.section.budget.trials} trials ended"
        return f"{count}{standing}; {self._time_left(len(ended))}"

    def _time_left(self, ended: int) -> str:
        spent = time.monotonic() - self.began
        limits = [self.section.budget.seconds - spent] if self.section.budget.seconds else []
        if ended:
            limits.append(spent / ended * (self.section.budget.trials - ended))
        return f"at most {duration(max(0.0, min(limits)))} left" if limits else "the first trials are under way"


class PlainBoard:
    """One line for each trial that ends, where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def changed(self, trial: Trial) -> None:
        """Says how a trial has ended."""
        if trial.state == "running":
            return
        score = "no score" if trial.score is None else f"{trial.score:.4f}"
        line = f"trial {trial.number:<4} {score}  {trial.state.replace('_', ' '):<12} {summary_values(trial.values)}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def shown(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that run, and the best of the others, by number."""
    running = [trial for trial in trials if trial.state == "running"]
    ended = [trial for trial in trials if trial.state != "running"]
    ended.sort(key=lambda trial: (trial.score is None, -(trial.score or 0.0), trial.number))
    return [*ended[: max(0, SHOWN - len(running))], *running]


def search(settings: Settings, console: Console) -> Sweep:
    """Runs the sweep of params.yaml with a board on the console, and says there what came of it.

    Raises:
        TunesmithError: params.yaml has no sweep that can be run, the data is not prepared, or a run is at work here.
    """
    section = required(load_params())
    if console.is_terminal:
        board = SweepBoard(section)
        with Live(board, console=console, refresh_per_second=4):
            found = search_with(settings, [board])
    else:
        found = search_with(settings, [PlainBoard(console)])
    console.print(Text(verdict(found)), soft_wrap=True)
    return found


def search_with(settings: Settings, listeners: Sequence[Listener]) -> Sweep:
    """Runs the sweep of params.yaml; no other run is at work here meanwhile.

    Raises:
        TunesmithError: as :func:`search`.
    """
    with exclusive(settings):
        return sweep(load_params(), settings, listeners)


def verdict(found: Sweep) -> str:
    """What came of a sweep, and what to do now."""
    spent = f"{len(found.trials)} trials in {duration(found.seconds)}. Report: {REPORT}"
    if found.winner is None:
        ends = "; ".join(sorted({trial.fault or trial.state for trial in found.trials}))
        return f"No trial came to a score: {ends}. {spent}"
    before, after = found.trials[0], found.trials[found.winner]
    if not after.values:
        return f"params.yaml is the best, with a validation {found.score} of {_shown(before)}. {spent}"
    return (
        f"Validation {found.score} {_shown(before)} → {_shown(after)} by trial {after.number}: "
        f"{summary_values(after.values)}. {spent}\nTake it with: tunesmith sweep --apply"
    )


def _shown(trial: Trial) -> str:
    return "none" if trial.score is None else f"{trial.score:.4f}"


def proposal(found: Sweep) -> str:
    """params.yaml with the values of the winner.

    Raises:
        ParamsError: there is no winner, or params.yaml would not be valid with its values.
    """
    text = PARAMS.read_text(encoding="utf-8")
    if found.winner is None:
        raise ParamsError(f"No trial came to a score, so there is nothing to apply. {REPORT} says how each ended.")
    changed = with_values(text, found.trials[found.winner].values)
    parse_params(changed, "params.yaml with the winner's values")
    return changed


def apply(found: Sweep, console: Console | None) -> bool:
    """Writes the winner into params.yaml and shows the difference; says whether there is one.

    Raises:
        ParamsError: as :func:`proposal`.
    """
    before, after = PARAMS.read_text(encoding="utf-8"), proposal(found)
    difference = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "params.yaml", "params.yaml", lineterm="", n=0
    )
    write_text(PARAMS, after)
    if console is not None:
        for line in difference:
            style = {"+": "green", "-": "red"}.get(line[0], "dim")
            console.print(Text(line, style=style), soft_wrap=True)
    return before != after


def as_json(found: Sweep, params: Params) -> dict[str, Any]:
    """What a script reads: the winner, the front and every trial."""
    return {"name": params.name, "report": str(REPORT), **found.model_dump(mode="json")}
