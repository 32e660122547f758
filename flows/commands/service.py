"""The service, and what watches its traffic."""

import os
import sys

import typer

from flows.commands.entry import Json, enter, known_params

service = typer.Typer()
PANEL = "The service"
ALARM = 3
"""Exit status of a judged window that raised an alarm; 1 is a fault, 2 a command line that cannot be read."""


@service.command(rich_help_panel=PANEL)
def serve() -> None:
    """Serve the champion over HTTP, and follow the registry to each new one.

    TUNESMITH_HOST (127.0.0.1), TUNESMITH_PORT (3000) and TUNESMITH_WORKERS (1) say where, and by how many processes.
    """
    settings = enter()
    os.environ["TUNESMITH_MODEL"] = settings.model or known_params().name
    os.execv(sys.executable, [sys.executable, "-m", "serving"])  # noqa: S606  the server takes this process's place


@service.command(rich_help_panel=PANEL)
def monitor(as_json: Json = False) -> None:
    """Judge the last window of traffic: what has changed, within the budget of false alarms.

    Exits with 3 on an alarm, and with 1 where it cannot judge.
    """
    settings = enter()
    from rich.console import Console

    from flows.monitor import look, print_window
    from flows.report import output, print_json

    found = look(known_params(), settings, Console(stderr=True) if as_json else output())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_window(found, settings, output())
    raise typer.Exit(ALARM if getattr(found, "raised", ()) else 0)
