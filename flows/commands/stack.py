"""``tunesmith up``, ``down``, ``ps`` and ``logs``: everything on one machine."""

import contextlib
import os
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.entry import Json, located

if TYPE_CHECKING:
    from components.settings import Settings

stack = typer.Typer()
PANEL = "Everything on this machine"
NAMES = "postgres, mlflow, prefect, deployments, ray, service, prometheus, page"
"""Of the parts, for ``up --help``, which loads none of them."""


def _settings() -> "Settings":
    from components.running_stack import DECIDED

    os.environ[DECIDED] = "1"  # these commands are about the stack that runs, and need none of its servers
    return located()


@stack.command(rich_help_panel=PANEL)
def up(
    without: Annotated[str, typer.Option(help=f"Parts to leave out, with commas between: {NAMES}.")] = "",
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop everything at the end.")] = False,
) -> None:
    """Start everything on this machine: database, servers, the service, what watches it, a page that links to all."""
    settings = _settings()
    from flows.report import output
    from flows.stack import commands

    left_out = [name.strip() for name in without.split(",") if name.strip()]
    (commands.run_here if foreground else commands.up)(settings, left_out, output())


@stack.command(rich_help_panel=PANEL)
def down() -> None:
    """Stop everything that 'tunesmith up' has started; what it holds is kept."""
    settings = _settings()
    from flows.report import output
    from flows.stack import commands

    commands.down(settings, output())


@stack.command(rich_help_panel=PANEL)
def ps(as_json: Json = False) -> None:
    """Show how every part of the stack is; exits with 1 unless all are healthy."""
    settings = _settings()
    from flows.report import output, print_json
    from flows.stack.report import as_json as told
    from flows.stack.report import print_stack
    from flows.stack.state import read_state

    state = read_state(settings.home)
    running = state is not None and state.alive()
    if as_json:
        print_json(told(state) if state is not None and running else {"phase": "ended", "parts": []})
    elif state is not None and running:
        print_stack(state, output())
    else:
        print("No stack runs here. 'tunesmith up' starts one.")
    raise typer.Exit(0 if state is not None and running and state.healthy() else 1)


@stack.command(rich_help_panel=PANEL)
def logs(
    part: Annotated[str | None, typer.Argument(help="A part; all of them if none is named.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    lines: Annotated[int, typer.Option(min=0, help="So many of the last lines of each.")] = 20,
) -> None:
    """Show what the parts of the stack have written."""
    settings = _settings()
    from flows.stack import logs as written
    from flows.stack.parts import PARTS

    files = written.log_files(settings.home, list(PARTS), part)
    width = max(map(len, files))

    def say(name: str, line: str) -> None:
        print(line if part else f"{name:<{width}} | {line}", flush=True)

    tails = written.show_last(files, lines, say)
    with contextlib.suppress(KeyboardInterrupt):
        if follow:
            written.follow(tails, say)
