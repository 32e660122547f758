"""Which workspace a run of a deployment is at work in: clones that share a Prefect server share its deployments.

To be imported inside :func:`flows.orchestrator.prefect_server`.
"""

from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from components.files import write_text
from components.settings import load_settings

LABEL = "tunesmith.workspace"
FILE = "workspace.id"
"""In the home folder: neither the folder's path nor the machine's name tells one container from another."""


def claim(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a flow: labels a run that begins with the workspace of this process.

    Args:
        flow: whose run it is.
        flow_run: that begins.
        state: it is in.
    """
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(flow_run.id, {LABEL: workspace_id(load_settings().home)})


def is_elsewhere(run: FlowRun, home: Path) -> bool:
    """Whether a run is at work in another workspace than that of a home folder, as far as it has said so."""
    return run.labels.get(LABEL, workspace_id(home)) != workspace_id(home)


def is_claimed(run: FlowRun) -> bool:
    """Whether a run has said in which workspace it is at work: each does once its process is up."""
    return LABEL in run.labels


def workspace_id(home: Path) -> str:
    """The name of a workspace that no other has; made on first use, by the process that holds its deployments."""
    file = home / FILE
    if not file.exists():
        write_text(file, uuid4().hex)
    return file.read_text(encoding="utf-8")
