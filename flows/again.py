"""Runs that did not get to their end: they are begun again; stages that had finished are kept.

A run whose process was killed is, a few times; one that the registry or the remote failed is, later and later; one that
was stopped with the process that ran it always is. One that failed by itself is not: it would fail again.

To be imported inside :func:`flows.orchestrator.prefect_server`.
"""

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.states import Crashed, Scheduled

from components.errors import PromotionRefused, RegistryError, RemoteError, StageCutOff
from flows.claims import is_claimed, is_elsewhere
from flows.endings import write_ending

LIVES = 3
"""So often a run is begun in all."""
WAITS = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 80, 160))
"""How long is waited each time that the registry or the remote has failed a run: in all, a little over five hours."""
STARTING_SECONDS = 60.0
"""So long a run may take from when it is due until it says where it is at work: its process imports much before."""
BEGUN, PUT_OFF = "begun", "put off"
"""What tags of a run count: ``begun 2 times``."""


def begin_again(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a flow: plans a run in the place of one that crashed, if it was a deployment's.

    Args:
        flow: whose run it was.
        flow_run: that crashed.
        state: it is in.
    """
    with get_client(sync_client=True) as client:
        _plan(client, flow_run)


def put_off(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a flow: plans a run for later in the place of one that the registry or the remote failed.

    Without it, an outage would use up the event that started a retraining.

    Args:
        flow: whose run it was.
        flow_run: that failed.
        state: it is in.
    """
    error = state.result(raise_on_failure=False)
    tried = _counted(flow_run, PUT_OFF)
    if not isinstance(error, RegistryError | RemoteError | StageCutOff) or isinstance(error, PromotionRefused):
        return
    if tried < len(WAITS):
        why, tags = f"In the place of {flow_run.name}, which failed: {error}", _counting(flow_run, PUT_OFF, tried + 1)
        with get_client(sync_client=True) as client:
            _create(client, flow_run, why, tags, WAITS[tried])


def close_killed(names: Iterable[str], home: Path, patience: float = STARTING_SECONDS) -> None:
    """Gives the runs of deployments an end that died with the process that ran them, and begins them again.

    To be called by the one process that runs them in this workspace, before it does.

    Args:
        names: of the deployments.
        home: folder of the workspace; runs that are at work in another one are left alone.
        patience: seconds that a run has to say where it is at work, if it has not yet.
    """
    with get_client(sync_client=True) as client:
        for run in _killed(client, tuple(names), home, patience):
            state: State[Any] = Crashed(message=f"The process that ran it was killed. {_outlook(run)}")
            client.set_flow_run_state(run.id, state, force=True)
            write_ending(home, client.read_flow(run.flow_id).name, state)
            _plan(client, run)


def _killed(client: SyncPrefectClient, names: Iterable[str], home: Path, patience: float) -> list[FlowRun]:
    """The runs under way that are at work nowhere else; one that does not say may be starting in another clone."""
    runs = [run for run in _under_way(client, names) if not is_elsewhere(run, home)]
    starting = [run for run in runs if not is_claimed(run)]
    if not starting:
        return runs
    time.sleep(patience)
    now = {run.id: run.state_type for run in _under_way(client, names) if not is_claimed(run)}
    return [run for run in runs if is_claimed(run) or now.get(run.id) == run.state_type]


def under_way(names: Iterable[str]) -> list[FlowRun]:
    """The runs of deployments that have begun and not ended.

    Args:
        names: of the deployments.
    """
    with get_client(sync_client=True) as client:
        return _under_way(client, names)


def resume_later(stopped: Iterable[FlowRun]) -> None:
    """Plans runs in the place of those that were stopped, for whoever runs the deployments next.

    Args:
        stopped: runs that were under way; those that have ended otherwise meanwhile are left alone.
    """
    with get_client(sync_client=True) as client:
        for run in stopped:
            state = client.read_flow_run(run.id).state
            if state is not None and state.is_cancelled():
                _create(client, run, f"In the place of {run.name}, which was stopped.", run.tags)


def _under_way(client: SyncPrefectClient, names: Iterable[str]) -> list[FlowRun]:
    found: list[FlowRun] = client.read_flow_runs(
        deployment_filter=DeploymentFilter.model_validate({"name": {"any_": list(names)}}),
        flow_run_filter=FlowRunFilter.model_validate(
            {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
        ),
    )
    return found


def _outlook(run: FlowRun) -> str:
    """What becomes of a run that was killed, in words."""
    return "It is begun again." if _begun(run) < LIVES else f"It was begun {LIVES} times: it is not begun again."


def _begun(run: FlowRun) -> int:
    return _counted(run, BEGUN) or 1


def _plan(client: SyncPrefectClient, run: FlowRun) -> None:
    begun = _begun(run)
    if begun < LIVES:
        tags = _counting(run, BEGUN, begun + 1)
        _create(client, run, f"In the place of {run.name}, which was killed.", tags)


def _counted(run: FlowRun, what: str) -> int:
    return max((int(match[1]) for tag in run.tags if (match := re.fullmatch(rf"{what} (\d+) times", tag))), default=0)


def _counting(run: FlowRun, what: str, times: int) -> list[str]:
    """The tags of a run, with another count."""
    return [*(tag for tag in run.tags if not re.fullmatch(rf"{what} \d+ times", tag)), f"{what} {times} times"]


def _create(client: SyncPrefectClient, run: FlowRun, why: str, tags: list[str], wait: timedelta = timedelta()) -> None:
    if run.deployment_id is not None:
        state: State[Any] = Scheduled(message=why, scheduled_time=datetime.now(UTC) + wait)
        client.create_flow_run_from_deployment(run.deployment_id, parameters=run.parameters, state=state, tags=tags)
