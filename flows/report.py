"""Tables and sentences about runs, stages, parameters and promotions, for a terminal and for anything else."""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.api_keys import ApiKey
from components.params.schema import Entry
from components.promote import Event
from components.settings import Settings
from flows.board import duration, shown, state_text, state_time
from flows.line import run_line
from flows.runs import Run, Runs, StageResult
from flows.why import Explanation

STATE_STYLES = {"will run": "bold yellow", "may run": "yellow", "unchanged": "dim"}


def output() -> Console:
    """The console of stdout: as wide as the terminal, or wide enough to be read where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def print_json(value: Any) -> None:
    """Prints a value for a script to read."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def run_shown(
    settings: Settings, console: Console, *, promoting: bool = True, retries: int = 0, feedback: bool = False
) -> Run:
    """Runs the line with a board on the console, and says there how each stage ended, also where one failed.

    Raises:
        TunesmithError: as :func:`flows.line.run_line`.
    """
    try:
        with shown(console):
            run = run_line(settings, promoting=promoting, retries=retries, feedback=feedback)
    except BaseException:
        last = Runs(settings.home).last()
        if last is not None and last.process == os.getpid():
            _print_stages(last, console)
        raise
    if all(result.state == "unchanged" for result in run.stages):
        console.print("Every stage is unchanged: nothing was run.")
    _print_stages(run, console)
    return run


def _print_stages(run: Run, console: Console) -> None:
    """How each stage ended, and what was decided if the run came so far."""
    console.print(stage_table(run.stages))
    if run.outcome in ("promoted", "refused", "held"):
        console.print(Text(verdict(run)), soft_wrap=True)


def stage_table(results: Iterable[StageResult]) -> Table:
    """How each stage ended, and how long it took."""
    table = columns("stage", "", "time")
    for result in results:
        table.add_row(result.stage, state_text(result), state_time(result))
    return table


def verdict(run: Run) -> str:
    """What was decided about the registered version, and why; and what a person can do now."""
    by_hand = f"Promote it with: tunesmith promote {run.version} --reason …"
    return {
        "promoted": f"Promoted. {run.sentence}",
        "refused": f"Not promoted: the champion stays. {run.sentence} reports/gate/gate.json has every figure.",
        "held": f"Not promoted, as you asked. {run.sentence} {by_hand}",
    }.get(run.outcome or "", run.sentence)


def print_explanations(explanations: Iterable[Explanation], console: Console) -> None:
    """Each stage, whether it would run, and every reason."""
    table = columns("stage", "", "why")
    for explanation in explanations:
        state = Text(explanation.state, style=STATE_STYLES[explanation.state])
        table.add_row(explanation.stage, state, Text("\n".join(reason.sentence for reason in explanation.reasons)))
    console.print(table)


def print_params(entries: Iterable[Entry], console: Console) -> None:
    """Every parameter: its place, the values it takes, what it means."""
    table = columns("parameter", "values", "meaning")
    for entry in entries:
        section = entry.values == "section"
        style = "bold" if section else ""
        table.add_row(Text(entry.place, style=style), "" if section else Text(entry.values), Text(entry.description))
    console.print(table)


def print_history(events: Iterable[Event], console: Console) -> None:
    """Every move of the champion, the newest last; a move that was not finished says so."""
    table = columns("time", "who", "move", "why")
    for event in events:
        if event.step == "intent":
            continue
        before = "none" if event.before is None else f"{event.before}"
        move = f"{event.action} {before} → {event.after}{' (abandoned)' if event.step == 'abandoned' else ''}"
        table.add_row(event.time[:19], event.who, move, Text(event.fault or event.reason))
    console.print(table)


def print_keys(keys: Iterable[ApiKey], console: Console) -> None:
    """What API keys are called, what they may do, and since when they are."""
    table = columns("name", "may", "requests a second", "a day", "made (UTC)")
    for key in keys:
        rate = "any number" if key.per_second is None else f"{key.per_second:g}"
        quota = "any number" if key.per_day is None else f"{key.per_day:,}"
        may = "everything" if key.role == "admin" else "ask and correct"
        table.add_row(key.name, may, rate, quota, key.created[:19])
    console.print(table)


def print_runs(runs: Iterable[Run], console: Console) -> None:
    """Runs with their length and their end."""
    table = columns("began (UTC)", "took", "ended", "version")
    for run in runs:
        table.add_row(run.started[:19], _wall(run), run.outcome or "under way, or killed", str(run.version or ""))
    console.print(table)


def _wall(run: Run) -> str:
    if run.ended is None:
        return ""
    return duration((datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.started)).total_seconds())


def columns(*names: str) -> Table:
    """An empty table without lines."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", show_header=any(names))
    for name in names:
        table.add_column(name, overflow="fold")
    return table
