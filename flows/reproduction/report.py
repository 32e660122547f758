"""A reproduction as a person reads it: what was run, what is equal, and the verdict."""

from rich.console import Console
from rich.text import Text

from flows.report import columns, stage_table
from flows.reproduction.comparison import Part
from flows.reproduction.verdict import Reproduction

STYLES = {"identical": "green", "within bounds": "yellow", "different": "bold red", "not compared": "dim"}


def print_reproduction(found: Reproduction, console: Console) -> None:
    """Two tables, what differs around the trainings, and the verdict."""
    console.print(stage_table(found.stages))
    table = columns("file of the package", "", "bound", "")
    for part in found.parts:
        table.add_row(part.name, Text(part.outcome, style=STYLES[part.outcome]), _bound(part), Text(part.detail))
    console.print(table)
    for name, (then, now) in found.surroundings.items():
        console.print(Text(f"{name}: {then or 'not recorded'} then, {now or 'not recorded'} now"), soft_wrap=True)
    console.print(Text(found.sentence()), soft_wrap=True)


def _bound(part: Part) -> str:
    return "" if part.bound is None or part.difference is None else f"{part.difference:.2g} of {part.bound:.2g}"
