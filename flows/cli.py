"""The command ``tunesmith``. Each command is a few lines; what is heavy is imported by the command that needs it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import TunesmithError
from flows.key_commands import keys
from flows.stack_commands import stack

if TYPE_CHECKING:
    from components.params import Params
    from components.settings import Settings

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

app = typer.Typer(
    help="From a folder of data and a params.yaml to a monitored endpoint that retrains itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ui = typer.Typer(help="Opens a page of MLflow or Prefect on the state of this workspace.", no_args_is_help=True)
app.add_typer(ui, name="ui")
app.add_typer(keys, name="keys")
app.add_typer(stack)  # without a name, its commands stand beside the others

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Candidate = Annotated[int | None, typer.Option("--version", min=1, help="A version; the challenger if none is named.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal.", prompt="Why")]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port on loopback.")]


def main() -> None:
    """Runs a command; a fault that is meant for a person is one sentence, and Ctrl-C is no fault."""
    try:
        app()
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("Stopped. What was finished is kept, and the next run goes on from there.", file=sys.stderr)
        raise


def _enter() -> "Settings":
    """Goes to the root of the repository and sets what the libraries read from the environment."""
    from components.settings import export_environment, load_settings
    from flows.workspace import enter_root

    enter_root()
    settings = load_settings()
    export_environment(settings)
    return settings


def _params() -> "Params":
    from components.params import load_params

    return load_params()


@app.command()
def run(
    promote: Annotated[bool, typer.Option(help="Promote a challenger that the gate lets through.")] = True,
    retries: Annotated[int, typer.Option(min=0, max=100, help="How often a stage that failed is tried again.")] = 0,
    as_json: Json = False,
) -> None:
    """Run what changed, register what came out, and promote it if the gate lets it."""
    settings = _enter()
    from rich.console import Console

    from flows.report import output, print_json, run_shown

    done = run_shown(settings, Console(stderr=True) if as_json else output(), promoting=promote, retries=retries)
    if as_json:
        print_json(done.model_dump(mode="json"))


@app.command()
def why(
    stage: Annotated[str | None, typer.Argument(help="A stage of dvc.yaml; all of them if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Say for each stage why it would run, or that nothing changed."""
    settings = _enter()
    _params()
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


@app.command()
def status(as_json: Json = False) -> None:
    """Show champion and challenger, what would run, the last runs, and where things are."""
    settings = _enter()
    from flows.report import output, print_json
    from flows.status import print_status, read_status

    found = read_status(_params(), settings)
    if as_json:
        print_json(found.as_json())
    else:
        print_status(found, output())


@app.command()
def params(
    task: Annotated[str | None, typer.Argument(help="A task; that of params.yaml here if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Explain every parameter of a task's params.yaml: its place, the values it takes, what it means."""
    if task is None:
        _enter()
    from dataclasses import asdict

    from components.params.schema import entries, model_of
    from flows.report import output, print_json, print_params

    found = entries(model_of(task or _params().task))
    if as_json:
        print_json([asdict(entry) for entry in found])
    else:
        print_params(found, output())


@app.command()
def gate(
    version: Annotated[int | None, typer.Argument(min=1, help="A version; the challenger if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Ask whether a version may replace the champion; exits with 1 if it may not."""
    settings = _enter()
    from components.gate import judge
    from flows.report import print_json
    from flows.versions import chosen_version

    known = _params()
    decision = judge(known, settings, chosen_version(settings, known.name, version))
    if as_json:
        print_json(decision.model_dump(mode="json"))
    else:
        print(decision.sentence())
    raise typer.Exit(0 if decision.passed else 1)


def _aside(sentence: str) -> None:
    """Says what goes on, beside the answer."""
    print(sentence, file=sys.stderr)


@app.command()
def promote(
    reason: Reason,
    version: Annotated[int | None, typer.Argument(min=1, help="A version; the challenger if none is named.")] = None,
) -> None:
    """Make a version the champion by hand, once every server serves it; the gate is not asked."""
    settings = _enter()
    from flows.versions import promote_by_hand

    print(promote_by_hand(settings, _params().name, version, reason, _aside).sentence())


@app.command()
def shadow(version: Candidate = None, as_json: Json = False) -> None:
    """Show how a version answered in the shadow of the champion, where servers let it."""
    settings = _enter()
    from flows.candidate_commands import print_changes, shadowed
    from flows.report import output, print_json

    found = shadowed(settings, _params().name, version)
    print_json(found.model_dump(mode="json")) if as_json else print_changes(found, output())


@app.command()
def canary(
    share: Annotated[float, typer.Argument(min=0, max=1, help="Share of the requests, such as 0.05; 0 ends it.")],
    version: Annotated[int | None, typer.Option(min=1, help="A version; the challenger if none is named.")] = None,
) -> None:
    """Let a version answer a share of the live requests; servers take it back when it errs or is slow."""
    settings = _enter()
    from flows.candidate_commands import set_canary

    print(set_canary(settings, _params().name, share, version))


@app.command()
def replay(
    version: Candidate = None,
    hours: Annotated[float, typer.Option(min=0.01, max=876_000, help="So many hours back from now.")] = 24.0,
    as_json: Json = False,
) -> None:
    """Answer the recorded requests again by a version, and show what would change."""
    settings = _enter()
    from rich.console import Console

    from flows.candidate_commands import print_changes, replayed
    from flows.report import output, print_json

    found = replayed(settings, _params().name, version, hours, Console(stderr=True))
    print_json(found.model_dump(mode="json")) if as_json else print_changes(found, output())


@app.command()
def rollback(reason: Reason) -> None:
    """Make the version champion again that was it before the present one, once every server serves it."""
    settings = _enter()
    from components.promote import rollback as go_back

    print(go_back(settings, _params().name, reason, tell=_aside).sentence())


@app.command()
def history(as_json: Json = False) -> None:
    """List every move of the champion: when, who, from which version to which, and why."""
    settings = _enter()
    from components.promote import history as moves
    from flows.report import output, print_history, print_json

    events = moves(settings, _params().name)
    if as_json:
        print_json([event.model_dump(mode="json") for event in events])
    else:
        print_history(events, output())


@app.command()
def serve() -> None:
    """Serve the champion over HTTP, and follow the registry to each new one."""
    settings = _enter()
    os.environ["TUNESMITH_MODEL"] = settings.model or _params().name
    os.execv(sys.executable, [sys.executable, "-m", "serving"])  # noqa: S606  the server takes this process's place


@ui.command("mlflow")
def ui_mlflow(port: Port = None) -> None:
    """Open MLflow on this workspace's tracking store and registry."""
    settings = _enter()
    from flows.pages import open_mlflow

    open_mlflow(settings, port)


@ui.command("prefect")
def ui_prefect(port: Port = None) -> None:
    """Open Prefect on this workspace's runs."""
    settings = _enter()
    from flows.pages import open_prefect

    open_prefect(settings, port)


@app.command("lr-find")
def lr_find(as_json: Json = False) -> None:
    """Find a learning rate on the prepared data: a range test, its curve, and the line for params.yaml."""
    settings = _enter()
    from flows.lr_find import find
    from flows.report import output, print_json

    found = find(_params(), settings, None if as_json else output())
    if as_json:
        print_json(found.model_dump(mode="json"))


@app.command()
def sweep(
    apply: Annotated[bool, typer.Option("--apply", help="Write the winner into params.yaml and run the line.")] = False,
    cron: Annotated[str | None, typer.Option(help="Stay, and sweep at these times, such as '0 3 * * 6'.")] = None,
    as_json: Json = False,
) -> None:
    """Search for better hyperparameters as the section sweep says, and propose them; go on where it was killed."""
    settings = _enter()
    if cron is not None:
        from flows.schedule import serve_sweeps

        serve_sweeps(settings, cron, applying=apply)
        return
    from rich.console import Console

    from flows.report import output, print_json, run_shown
    from flows.sweep import apply as write_winner
    from flows.sweep import as_json as told
    from flows.sweep import search

    console = Console(stderr=True) if as_json else output()
    found = search(settings, console)
    if apply and write_winner(found, console):
        run_shown(settings, console)
    if as_json:
        print_json(told(found, _params()))


@app.command()
def reproduce(
    version: Annotated[int, typer.Argument(min=1, help="A registered version.")],
    into: Annotated[
        Path | None,
        typer.Option("--into", resolve_path=True, help="Folder for it; in .tunesmith/reproductions if none is named."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a version again from its commit, data and environment, and compare; exits with 1 if it is another."""
    settings = _enter()
    from rich.console import Console

    from flows.report import output, print_json
    from flows.reproduction.report import print_reproduction
    from flows.reproduction.reproducing import reproduce as make_again

    console = Console(stderr=True) if as_json else output()
    found = make_again(settings, _params().name, version, into, console)
    if as_json:
        print_json(found.as_json())
    else:
        print_reproduction(found, console)
    raise typer.Exit(found.verdict == "different")


@app.command()
def monitor(as_json: Json = False) -> None:
    """Judge the last window of traffic: what has changed, within the budget of false alarms; 1 on an alarm."""
    settings = _enter()
    from rich.console import Console

    from flows.monitor import look, print_window
    from flows.report import output, print_json

    found = look(_params(), settings, Console(stderr=True) if as_json else output())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_window(found, settings, output())
    raise typer.Exit(bool(getattr(found, "raised", ())))


@app.command()
def demo() -> None:
    """Run the whole line, serve what it promoted, and ask it about five test images."""
    settings = _enter()
    from flows.demo import show
    from flows.report import output

    show(settings, _params(), output())


if __name__ == "__main__":
    main()
