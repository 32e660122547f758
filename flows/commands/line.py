"""What is done with the line: from what it would do, over runs and searches, to its demonstration."""

from typing import Annotated

import typer

from flows.commands.entry import Json, enter, known_params

line = typer.Typer()
PANEL = "The line"


@line.command(rich_help_panel=PANEL)
def run(
    promote: Annotated[bool, typer.Option(help="Promote a challenger that the gate lets through.")] = True,
    retries: Annotated[int, typer.Option(min=0, max=100, help="How often a stage that failed is tried again.")] = 0,
    feedback: Annotated[bool, typer.Option(help="Take in what people have said of the server's answers.")] = False,
    as_json: Json = False,
) -> None:
    """Run what changed, register what came out, and promote it if the gate lets it."""
    settings = enter()
    from rich.console import Console

    from flows.report import output, print_json, run_shown

    console = Console(stderr=True) if as_json else output()
    done = run_shown(settings, console, promoting=promote, retries=retries, feedback=feedback)
    if as_json:
        print_json(done.model_dump(mode="json"))


@line.command(rich_help_panel=PANEL)
def why(
    stage: Annotated[str | None, typer.Argument(help="A stage of dvc.yaml; all of them if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Say for each stage why it would run, or that nothing changed."""
    settings = enter()
    known_params()
    from flows.graph import open_graph
    from flows.report import output, print_explanations, print_json
    from flows.why import explain, only
    from flows.workspace import exclusive

    with exclusive(settings), open_graph() as graph:
        explanations = only(stage, explain(graph, settings.home / "trees"))
    if as_json:
        print_json([explanation.as_json() for explanation in explanations])
    else:
        print_explanations(explanations, output())


@line.command(rich_help_panel=PANEL)
def status(as_json: Json = False) -> None:
    """Show champion and challenger, what would run, the last runs, and where things are."""
    settings = enter()
    from flows.report import output, print_json
    from flows.status import print_status, read_status

    found = read_status(known_params(), settings)
    if as_json:
        print_json(found.as_json())
    else:
        print_status(found, output())


@line.command(rich_help_panel=PANEL)
def params(
    task: Annotated[str | None, typer.Argument(help="A task; that of params.yaml here if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Explain every parameter of a task's params.yaml: its place, the values it takes, what it means."""
    if task is None:
        enter()
    from dataclasses import asdict

    from components.params.schema import entries, model_of
    from flows.report import output, print_json, print_params

    found = entries(model_of(task or known_params().task))
    if as_json:
        print_json([asdict(entry) for entry in found])
    else:
        print_params(found, output())


@line.command("lr-find", rich_help_panel=PANEL)
def lr_find(as_json: Json = False) -> None:
    """Find a learning rate on the prepared data: a range test, its curve, and the line for params.yaml."""
    settings = enter()
    from flows.lr_find import find
    from flows.report import output, print_json

    found = find(known_params(), settings, None if as_json else output())
    if as_json:
        print_json(found.model_dump(mode="json"))


@line.command(rich_help_panel=PANEL)
def sweep(
    apply: Annotated[bool, typer.Option("--apply", help="Write the winner into params.yaml and run the line.")] = False,
    cron: Annotated[str | None, typer.Option(help="Stay, and sweep at these times (UTC), such as '0 3 * * 6'.")] = None,
    as_json: Json = False,
) -> None:
    """Search for better hyperparameters as the section sweep says, and propose them; go on where it was killed."""
    settings = enter()
    if cron is not None:
        from flows.schedule import serve_sweeps

        serve_sweeps(settings, cron, applying=apply)
        return
    from rich.console import Console

    from flows.report import output, print_json, run_shown
    from flows.sweep import apply as write_winner
    from flows.sweep import as_json as told
    from flows.sweep import search
    from flows.workspace import exclusive

    console = Console(stderr=True) if as_json else output()
    with exclusive(settings):  # a run that waits reads params.yaml when the winner is in it
        found = search(settings, console)
        if apply and write_winner(found, console):
            run_shown(settings, console)
    if as_json:
        print_json(told(found, known_params()))


@line.command(rich_help_panel=PANEL)
def demo() -> None:
    """Run the whole line, serve what it promoted, and ask it about five test samples."""
    settings = enter()
    from flows.demo import show
    from flows.report import output

    show(settings, known_params(), output())
