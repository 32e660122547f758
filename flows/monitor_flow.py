"""The Prefect flow ``monitor``; to be imported inside :func:`flows.orchestrator.prefect_server`."""

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from components.monitor import JudgedWindow, Waiting
from components.monitor import monitor as judge_traffic
from components.monitor.history import monitor_folder
from components.params import load_params
from components.settings import load_settings

ALARM = "tunesmith.alarm"
"""Event: something of the traffic has changed."""
RETRAIN = "tunesmith.retrain"
"""Event: the line should run again; its payload has the reason."""


def resource_of(model: str) -> str:
    """Name of a registered model in Prefect's events."""
    return f"tunesmith.model.{model}"


@flow(name="monitor", result_serializer="json")
def monitor() -> JudgedWindow | Waiting:
    """Judges the last window of traffic, and tells of an alarm that it raises.

    Raises:
        TunesmithError: as :func:`components.monitor.monitor`.
    """
    params, settings = load_params(), load_settings()
    found = judge_traffic(params, settings)
    get_run_logger().info(found.sentence())
    if isinstance(found, Waiting):
        return found
    page = (monitor_folder(settings, found.model) / "index.html").resolve()
    create_markdown_artifact(key="monitor", markdown=f"{found.sentence()}\n\n{page}", description="What it says.")
    if found.raised:
        tell(found, ALARM)
    if set(found.raised) & set(params.monitor.retrain_on):
        tell(found, RETRAIN)
    return found


def tell(window: JudgedWindow, event: str) -> None:
    """Emits an event about a window."""
    payload = {"reason": window.sentence(), "kinds": list(window.raised), "version": window.version}
    resource = {"prefect.resource.id": resource_of(window.model), "prefect.resource.name": window.model}
    if emit_event(event=event, resource=resource, payload=payload) is None:
        raise RuntimeError(f"Prefect takes no events, so {event} is not told: set PREFECT_API_URL to a server's API.")
