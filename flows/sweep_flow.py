"""The Prefect flow ``sweep``; to be imported inside :func:`flows.orchestrator.prefect_server`."""

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from components.errors import SettingsError
from components.params import load_params
from components.settings import load_settings
from components.sweep.record import Sweep, Trial, summary_values
from flows.again import begin_again
from flows.line import run_line
from flows.sweep import apply, search_with, verdict
from flows.workspace import PATIENCE_SECONDS, exclusive


class Log:
    """Hears of the trials, and writes their ends into the log of the flow's run."""

    def changed(self, trial: Trial) -> None:
        """Says how a trial has ended."""
        if trial.state != "running":
            get_run_logger().info(
                "trial %s: %s %s %s", trial.number, trial.state, trial.score, summary_values(trial.values)
            )


@flow(name="sweep", result_serializer="json", on_crashed=[begin_again])
def sweep(applying: bool = False, patience: float = PATIENCE_SECONDS) -> Sweep:
    """Searches for better hyperparameters, and writes them into params.yaml if it is told to; the gate decides then.

    Args:
        applying: whether the winner is written into params.yaml and the line run.
        patience: how long another run in this workspace is waited for, in seconds.

    Returns:
        What was found.

    Raises:
        TunesmithError: as :func:`flows.sweep.search`.
    """
    settings = load_settings()
    with exclusive(settings, patience):
        found = search_with(settings, [Log()])
        create_markdown_artifact(key="sweep", markdown=verdict(found), description="What the sweep says.")
        if applying and apply(found, None):  # before a run that waits reads params.yaml
            run_line(settings)
    return found


def serve(cron: str, *, applying: bool) -> None:
    """Runs the flow at the times of a schedule, until the process is interrupted.

    Raises:
        SettingsError: the times cannot be read.
    """
    try:
        CronSchedule(cron=cron)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SettingsError(f"--cron '{cron}' is no schedule: {said}. Five fields do, such as '0 3 * * 6'.") from None
    name = f"{load_params().name} by hand"  # not the deployment of the stack, which this would pause at its end
    sweep.serve(name=name, cron=cron, parameters={"applying": applying})
