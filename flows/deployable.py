"""The flows as deployments run them: with what is done when such a run begins, and when it fails.

To be imported inside :func:`flows.orchestrator.prefect_server`.
"""

from collections.abc import Callable
from typing import Any

from prefect.flows import Flow

from flows import monitor_flow, sweep_flow
from flows import retrain as retrain_flow
from flows.again import put_off
from flows.claims import claim
from flows.endings import keep_ending

Hook = Callable[..., None]


def _deployable(flow: Flow[..., Any], *on_failure: Hook) -> Flow[..., Any]:
    return flow.with_options(
        on_running=[claim],
        on_completion=[keep_ending],
        on_failure=[keep_ending, *on_failure],
        on_crashed=[keep_ending, *flow.on_crashed_hooks],
    )


retrain = _deployable(retrain_flow.retrain, put_off)
sweep = _deployable(sweep_flow.sweep, put_off)
monitor = _deployable(monitor_flow.monitor)


def entrypoint(flow: Flow[..., Any]) -> str:
    """Where the process of a run finds one of these: by itself, Prefect would name the flow that it was made from."""
    return f"{__name__}.{flow.name}"
