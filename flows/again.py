"""Runs whose process was killed: they are begun again, a few times; stages that had finished are kept.

To be imported inside :func:`flows.orchestrator.prefect_server`.
"""

import re
from collections.abc import Iterable
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.states import Crashed, Scheduled

LIVES = 3
"""So often a run is begun in all."""
BEGUN = re.compile(r"begun (\d+) times")


def begin_again(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a flow: plans a run in the place of one that crashed, if it was a deployment's.

    Args:
        flow: whose run it was.
        flow_run: that crashed.
        state: it is in.
    """
    with get_client(sync_client=True) as client:
        _plan(client, flow_run)


def close_killed(names: Iterable[str]) -> None:
    """Gives the runs of deployments an end that died with the process that ran them, and begins them again.

    To be called by the one process that runs them, before it does.

    Args:
        names: of the deployments.
    """
    with get_client(sync_client=True) as client:
        killed = client.read_flow_runs(
            deployment_filter=DeploymentFilter.model_validate({"name": {"any_": list(names)}}),
            flow_run_filter=FlowRunFilter.model_validate(
                {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
            ),
        )
        for run in killed:
            client.set_flow_run_state(run.id, Crashed(message="The process that ran it was killed."), force=True)
            _plan(client, run)


def _plan(client: SyncPrefectClient, run: FlowRun) -> None:
    begun = max((int(match[1]) for tag in run.tags if (match := BEGUN.fullmatch(tag))), default=1)
    if run.deployment_id is None or begun >= LIVES:
        return
    client.create_flow_run_from_deployment(
        run.deployment_id,
        parameters=run.parameters,
        state=Scheduled(message=f"In the place of {run.name}, which was killed."),
        tags=[*(tag for tag in run.tags if not BEGUN.fullmatch(tag)), f"begun {begun + 1} times"],
    )
