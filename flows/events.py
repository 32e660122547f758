"""Events that Prefect's server has taken; to be imported inside :func:`flows.orchestrator.prefect_server`."""

from collections.abc import Sequence

from prefect.client.orchestration import get_client
from prefect.events import Event


def hand_over(events: Sequence[Event]) -> None:
    """Gives events to Prefect's server, which has taken all of them when this returns.

    ``prefect.events.emit_event`` only queues an event: it is gone where the process is killed, and a line in a log
    where the server does not take it.

    Raises:
        httpx.HTTPError: the server cannot be reached, or does not take them.
    """
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event.model_dump(mode="json") for event in events])
