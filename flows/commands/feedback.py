"""``tunesmith feedback``: what people have said of the server's answers."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from flows.commands.entry import Json, enter, known_params

feedback = typer.Typer(help="Shows and withdraws what people said of the server's answers.", no_args_is_help=True)
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@feedback.command()
def show(as_json: Json = False) -> None:
    """Show how many corrections came, by hour, and how many of them wait to be trained on."""
    from components.feedback import waiting
    from flows.feedback import by_hour
    from flows.report import columns, output, print_json

    settings, model = enter(), known_params().name
    hours, waits = by_hour(settings, model), len(waiting(settings, model))
    if as_json:
        print_json({"waiting": waits, "hours": hours})
        return
    table = columns("hour, UTC", "corrections", "what was said")
    for hour in hours:
        table.add_row(hour["hour"], str(hour["corrections"]), hour["said"])
    output().print(table)
    output().print(f"{waits} wait; `tunesmith run --feedback` takes them in.", highlight=False)


@feedback.command()
def withdraw(
    since: Annotated[datetime, typer.Option(formats=FORMATS, help="UTC, included.")],
    until: Annotated[datetime, typer.Option(formats=FORMATS, help="UTC, left out.")],
) -> None:
    """Withdraw the corrections of a time: the next run with --feedback trains on what was said before, if anything."""
    from components.feedback import withdraw as withdraw_between

    settings, model = enter(), known_params().name
    gone, again = withdraw_between(settings, model, since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))
    earlier = f", and an earlier correction of {again} of their samples holds again" if again else ""
    print(f"{gone} corrections are withdrawn{earlier}; `tunesmith run --feedback` takes that in.")
