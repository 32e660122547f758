"""``tunesmith monitor``: one look at the traffic, in the terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.monitor import JudgedWindow, Waiting, monitor
from components.monitor.history import monitor_folder
from components.params import Params
from components.settings import Settings
from flows.report import columns

SHOWN = 12
"""Tests of the table in the terminal."""


def look(params: Params, settings: Settings, console: Console) -> JudgedWindow | Waiting:
    """Judges the last window, with a progress bar where thresholds must be found first.

    Raises:
        TunesmithError: as :func:`components.monitor.monitor`.
    """
    shown = (TextColumn("finding the thresholds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=console, transient=True) as progress:
        task = progress.add_task("windows", total=params.monitor.resamples, visible=False)

        def walked(windows: int) -> None:
            progress.update(task, advance=windows, visible=True)

        return monitor(params, settings, walked)


def print_window(found: JudgedWindow | Waiting, settings: Settings, console: Console) -> None:
    """The sentence, the tests that are nearest to their thresholds, and where the pages are."""
    console.print(found.sentence(), highlight=False)
    if isinstance(found, Waiting):
        return
    table = columns("what", "test", "reference", "window", "statistic", "threshold")
    for each in sorted(found.findings, key=lambda finding: -finding.strength)[:SHOWN]:
        row = [each.before, each.now, each.statistic, each.threshold]
        numbers = ["" if value is None else f"{value:.4g}" for value in row]
        style = "bold red" if each.fires else None
        table.add_row(f"{each.kind}: {each.name}", each.method.replace("_", " "), *numbers, style=style)
    console.print(table)
    console.print(f"All windows: {monitor_folder(settings, found.model) / 'index.html'}", highlight=False)
