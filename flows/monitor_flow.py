"""The Prefect flow ``monitor``; to be imported inside :func:`flows.orchestrator.prefect_server`.

What it tells of is written down once Prefect has it, and not before: what was not told, for whatever reason, the next
run tells. After a crash between the two that is a second time, which does little: retrainings do not overlap, and one
that finds nothing changed ends in seconds.
"""

from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.events import Event

from components.monitor import JudgedWindow, Waiting
from components.monitor import monitor as judge_traffic
from components.monitor.history import monitor_folder
from components.params import Params, load_params
from components.settings import Settings, load_settings
from flows import alarms, labels
from flows.events import hand_over

ALARM = "tunesmith.alarm"
"""Event: something of the traffic has changed."""
RETRAIN = "tunesmith.retrain"
"""Event: the line should run again; its payload has the reason."""


def resource_of(model: str) -> str:
    """Name of a registered model in Prefect's events."""
    return f"tunesmith.model.{model}"


@flow(name="monitor", result_serializer="json")
def monitor() -> JudgedWindow | Waiting:
    """Tells of labels that have come and of alarms that nobody was told of, and judges the last window of traffic.

    Raises:
        TunesmithError: as :func:`components.monitor.monitor`.
        httpx.HTTPError: Prefect's server does not take an event.
    """
    params, settings = load_params(), load_settings()
    tell_labels(params, settings)
    tell_alarms(params, settings)
    found = judge_traffic(params, settings)
    get_run_logger().info(found.sentence())
    if isinstance(found, JudgedWindow):
        tell_alarms(params, settings)
        page = (monitor_folder(settings, found.model) / "index.html").resolve()
        create_markdown_artifact(key="monitor", markdown=f"{found.sentence()}\n\n{page}", description="What it says.")
    return found


def tell_labels(params: Params, settings: Settings) -> None:
    """Tells that so many new labels have come that the line should run again, if they have."""
    if new := labels.new_labels(settings, params.name):
        hand_over([_event(RETRAIN, params.name, {"reason": f"{new.count} new labels have come."})])
        labels.keep_told(settings, params.name, new)


def tell_alarms(params: Params, settings: Settings) -> None:
    """Tells of the alarms that nobody was told of, and that the line should run again where they are of such a kind."""
    windows = alarms.untold_windows(settings, params.name)
    if events := [event for window in windows if window.raised for event in _events(window, params)]:
        hand_over(events)
    if windows:
        alarms.keep_told(settings, params.name, windows[-1])


def _events(window: JudgedWindow, params: Params) -> list[Event]:
    names = [ALARM, RETRAIN] if set(window.raised) & set(params.monitor.retrain_on) else [ALARM]
    payload = {"reason": window.sentence(), "kinds": list(window.raised), "version": window.version}
    return [_event(name, window.model, payload) for name in names]


def _event(name: str, model: str, payload: dict[str, Any]) -> Event:
    resource = {"prefect.resource.id": resource_of(model), "prefect.resource.name": model}
    return Event.model_validate({"event": name, "resource": resource, "payload": payload})
