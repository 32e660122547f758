"""The flows as Prefect deployments; to be imported inside :func:`flows.orchestrator.prefect_server`.

Each is called by the registered model, ``retrain/fashion-mnist``, so that workspaces can share a Prefect server.

At most one run of each at a time, later ones queue; in one workspace a retraining and a sweep wait for one another.
A run whose process was killed is begun again, a few times, and one that was stopped with this process when it starts
anew: stages that had finished are kept.
"""

from typing import Any

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.flows import Flow
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from components.errors import SettingsError
from components.params import load_params
from components.settings import Settings
from flows.again import close_killed
from flows.deployable import entrypoint, monitor, retrain, sweep
from flows.measures import serve_measures
from flows.monitor_flow import RETRAIN, resource_of
from flows.runner import run_deployments

PATIENCE_SECONDS = 12 * 3600.0
"""A retraining waits so long for a sweep, and a sweep for a retraining."""
NEVER = "never"
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)


def serve_all(settings: Settings) -> None:
    """Serves the three until the process is stopped.

    Args:
        settings: of them the schedules, and where Prometheus hears of the flows.

    Raises:
        SettingsError: a schedule cannot be read, or the port of the measures not be bound.
        ParamsError: params.yaml is not valid.
    """
    model = load_params().name
    deployments = deployed(settings, model)
    serve_measures(settings, model)
    close_killed((deployment.name for deployment in deployments), settings.home)
    run_deployments(deployments)


def deployed(settings: Settings, model: str) -> list[RunnerDeployment]:
    """The three deployments.

    Args:
        settings: of them the schedules.
        model: name of the registered model, whose alarms start a retraining.
    """
    patience = {"patience": PATIENCE_SECONDS}
    taking_in = {**patience, "feedback": True}
    on_event = DeploymentEventTrigger(
        name=f"retrain {model}",
        expect={RETRAIN},
        match={"prefect.resource.id": resource_of(model)},
        parameters={"reason": "{{ event.payload.reason }}", **taking_in},
    )
    return [
        _deployment(retrain, model, schedule("RETRAIN", settings.retrain_cron), taking_in, triggers=[on_event]),
        _deployment(sweep, model, schedule("SWEEP", settings.sweep_cron), patience),
        _deployment(monitor, model, {"interval": settings.monitor_seconds}, {}),
    ]


def _deployment(
    flow: Flow[..., Any], model: str, when: dict[str, Any], parameters: dict[str, Any], **more: Any
) -> RunnerDeployment:
    made: RunnerDeployment = flow.to_deployment(  # type: ignore[assignment]  # awaitable only inside an event loop
        name=model,
        parameters=parameters,
        concurrency_limit=ONE_AT_A_TIME,
        entrypoint_type=EntrypointType.MODULE_PATH,
        **when,
        **more,
    )
    made.entrypoint = entrypoint(flow)
    return made


def schedule(name: str, cron: str) -> dict[str, Any]:
    """The times of a deployment.

    Args:
        name: of the setting, without ``_CRON``.
        cron: five fields, or ``never``.

    Raises:
        SettingsError: they cannot be read.
    """
    if cron == NEVER:
        return {}
    try:
        return {"schedule": CronSchedule(cron=cron)}
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SettingsError(
            f"TUNESMITH_{name}_CRON='{cron}' is no schedule: {said}. Five fields do, such as '0 3 * * 6', or 'never'."
        ) from None
