"""The command ``tunesmith``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from components.errors import TunesmithError
from flows.commands.feedback import feedback
from flows.commands.keys import keys
from flows.commands.line import line
from flows.commands.pages import ui
from flows.commands.service import service
from flows.commands.stack import stack
from flows.commands.versions import versions

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

app = typer.Typer(
    help="From a folder of data and a params.yaml to a monitored endpoint that retrains itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (line, versions, service, stack):  # without a name: their commands stand beside each other
    app.add_typer(group)
app.add_typer(keys, name="keys", rich_help_panel="The service")
app.add_typer(feedback, name="feedback", rich_help_panel="The service")
app.add_typer(ui, name="ui", rich_help_panel="Everything on this machine")


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"tunesmith {version('tunesmith')}")
        raise typer.Exit


@app.callback()
def tunesmith(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say it and end.")
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    """Runs a command; a fault that is meant for a person is one sentence, and Ctrl-C is no fault."""
    try:
        app()
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        from components.full_disk import told_of_full_disk

        told = told_of_full_disk(error, Path())
        if told is None:
            raise
        print(told, file=sys.stderr)
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("Stopped. What was finished is kept, and the next run goes on from there.", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
