"""What is done with registered versions: judging, moving, trying and making them again."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.entry import Json, enter, known_params

versions = typer.Typer()
PANEL = "Versions"
Candidate = Annotated[int | None, typer.Option("--version", min=1, help="A version; the challenger if none is named.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the journal; asked for on a terminal.")]


@versions.command(rich_help_panel=PANEL)
def history(as_json: Json = False) -> None:
    """List every move of the champion: when, who, from which version to which, and why."""
    settings = enter()
    from components.promote import history as moves
    from flows.report import output, print_history, print_json

    events = moves(settings, known_params().name)
    if as_json:
        print_json([event.model_dump(mode="json") for event in events])
    elif events:
        print_history(events, output())
    else:
        print("No move yet.")


@versions.command(rich_help_panel=PANEL)
def gate(
    version: Annotated[int | None, typer.Argument(min=1, help="A version; the challenger if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Ask whether a version may replace the champion; exits with 1 if it may not."""
    settings = enter()
    from components.gate import judge
    from flows.report import print_json
    from flows.versions import chosen_version

    known = known_params()
    decision = judge(known, settings, chosen_version(settings, known.name, version))
    if as_json:
        print_json(decision.model_dump(mode="json"))
    else:
        print(decision.sentence())
    raise typer.Exit(0 if decision.passed else 1)


@versions.command(rich_help_panel=PANEL)
def promote(
    version: Annotated[int | None, typer.Argument(min=1, help="A version; the challenger if none is named.")] = None,
    reason: Reason = None,
) -> None:
    """Make a version the champion by hand, once every server serves it; the gate is not asked."""
    settings, model = enter(), known_params().name
    from flows.versions import promote_by_hand

    print(promote_by_hand(settings, model, version, reason or _why(), _aside).sentence())


@versions.command(rich_help_panel=PANEL)
def rollback(reason: Reason = None) -> None:
    """Make the version champion again that was it before the present one, once every server serves it."""
    settings, model = enter(), known_params().name
    from components.promote import rollback as go_back

    print(go_back(settings, model, reason or _why(), tell=_aside).sentence())


def _why() -> str:
    """Asks a person; a script has to know it.

    Raises:
        PromotionRefused: nobody is there to be asked.
    """
    from components.errors import PromotionRefused

    if not sys.stdin.isatty():
        raise PromotionRefused("Say why with --reason '…', for the journal.")
    return str(typer.prompt("Why"))


def _aside(sentence: str) -> None:
    """Says what goes on, beside the answer."""
    print(sentence, file=sys.stderr)


@versions.command(rich_help_panel=PANEL)
def shadow(version: Candidate = None, as_json: Json = False) -> None:
    """Show how a version answered in the shadow of the champion, where servers let it."""
    settings = enter()
    from flows.candidates import print_changes, shadowed
    from flows.report import output, print_json

    found = shadowed(settings, known_params().name, version)
    print_json(found.model_dump(mode="json")) if as_json else print_changes(found, output())


@versions.command(rich_help_panel=PANEL)
def canary(
    share: Annotated[float, typer.Argument(min=0, max=1, help="Share of the requests, such as 0.05; 0 ends it.")],
    version: Annotated[int | None, typer.Option(min=1, help="A version; the challenger if none is named.")] = None,
) -> None:
    """Let a version answer a share of the live requests; servers take it back when it errs or is slow."""
    settings = enter()
    from flows.candidates import set_canary

    print(set_canary(settings, known_params().name, share, version))


@versions.command(rich_help_panel=PANEL)
def replay(
    version: Candidate = None,
    hours: Annotated[float, typer.Option(min=0.01, max=876_000, help="So many hours back from now.")] = 24.0,
    as_json: Json = False,
) -> None:
    """Answer the recorded requests again by a version, and show what would change."""
    settings = enter()
    from rich.console import Console

    from flows.candidates import print_changes, replayed
    from flows.report import output, print_json

    found = replayed(settings, known_params().name, version, hours, Console(stderr=True))
    print_json(found.model_dump(mode="json")) if as_json else print_changes(found, output())


@versions.command(rich_help_panel=PANEL)
def reproduce(
    version: Annotated[int, typer.Argument(min=1, help="A registered version.")],
    into: Annotated[
        Path | None,
        typer.Option("--into", resolve_path=True, help="Folder for it; in .tunesmith/reproductions if none is named."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a version again from its commit, data and environment, and compare; exits with 1 if it is another."""
    settings = enter()
    from rich.console import Console

    from flows.report import output, print_json
    from flows.reproduction.report import print_reproduction
    from flows.reproduction.reproducing import reproduce as make_again

    console = Console(stderr=True) if as_json else output()
    found = make_again(settings, known_params().name, version, into, console)
    if as_json:
        print_json(found.as_json())
    else:
        print_reproduction(found, console)
    raise typer.Exit(found.verdict == "different")
