"""``tunesmith ui``: the pages of MLflow and Prefect."""

from typing import Annotated

import typer

from flows.commands.entry import enter

ui = typer.Typer(help="Opens a page of MLflow or Prefect on the state of this workspace.", no_args_is_help=True)
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port on loopback.")]


@ui.command("mlflow")
def ui_mlflow(port: Port = None) -> None:
    """Open MLflow on this workspace's tracking store and registry."""
    settings = enter()
    from flows.pages import open_mlflow

    open_mlflow(settings, port)


@ui.command("prefect")
def ui_prefect(port: Port = None) -> None:
    """Open Prefect on this workspace's runs."""
    settings = enter()
    from flows.pages import open_prefect

    open_prefect(settings, port)
