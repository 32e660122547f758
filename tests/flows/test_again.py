"""What becomes of runs that died with the process of the deployments, by a real Prefect server's account."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows.endings import read_endings

pytestmark = pytest.mark.slow
PATIENCE = 4.0


class Killed:
    """A deployment on a server, and the runs of it that nobody is at work at any more.

    Args:
        home: of the workspace.
    """

    def __init__(self, home: Path) -> None:
        from prefect.client.orchestration import get_client

        self.home, self.name, self.client = home, f"digits-{uuid4().hex}", get_client(sync_client=True)
        flow = self.client.create_flow_from_name("retrain")
        self.deployment = self.client.create_deployment(flow, self.name)

    def begin(self, state: Any, workspace: Path | None, *tags: str) -> UUID:
        """A run in some state, labelled with the workspace of a home folder; None: not labelled yet."""
        run = self.client.create_flow_run_from_deployment(self.deployment, state=state, tags=list(tags))
        if workspace:
            self.label(run.id, workspace)
        return run.id

    def label(self, run: UUID, workspace: Path) -> None:
        from flows.claims import LABEL, workspace_id

        self.client.update_flow_run_labels(run, {LABEL: workspace_id(workspace)})

    def close(self, meanwhile: Callable[[], None] = lambda: None) -> list[float]:
        """Closes what was killed; how long it would wait each time, in seconds.

        Args:
            meanwhile: what happens while it waits.
        """
        from flows import again

        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            meanwhile()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(again, "time", SimpleNamespace(sleep=sleep))
            again.close_killed((name for name in [self.name]), self.home, PATIENCE)
        return waits

    def state(self, run: UUID) -> tuple[str, str]:
        """Kind and message."""
        state = self.client.read_flow_run(run).state
        assert state is not None
        return state.type.value, state.message or ""

    def planned(self) -> list[list[str]]:
        """The tags of the runs that are to be begun."""
        from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter

        of: Any = {"name": {"any_": [self.name]}}
        found = self.client.read_flow_runs(
            deployment_filter=DeploymentFilter.model_validate(of),
            flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": ["SCHEDULED"]}}}),
        )
        return [run.tags for run in found]


@pytest.fixture
def killed(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killed]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    for folder in (tmp_path / "home", tmp_path / "clone"):
        folder.mkdir()
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "home"))
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield Killed(tmp_path / "home")


def test_a_killed_run_has_an_end_that_the_status_tells(killed: Killed) -> None:
    from prefect.states import Running

    run = killed.begin(Running(), killed.home)
    assert killed.close() == [], "nothing is to be waited for"
    assert killed.state(run) == ("CRASHED", "The process that ran it was killed. It is begun again.")
    (ending,) = read_endings(killed.home)
    assert (ending.flow, ending.state) == ("retrain", "Crashed")
    assert ending.why == "The process that ran it was killed. It is begun again."
    assert killed.planned() == [["begun 2 times"]]


def test_a_run_that_was_killed_too_often_ends_with_a_word(killed: Killed) -> None:
    from prefect.states import Running

    killed.begin(Running(), killed.home, "begun 3 times")
    killed.close()
    (ending,) = read_endings(killed.home)
    assert ending.why == "The process that ran it was killed. It was begun 3 times: it is not begun again."
    assert killed.planned() == []


def test_runs_that_another_clone_is_beginning_are_left_to_it(killed: Killed, tmp_path: Path) -> None:
    from prefect.states import Pending, Running

    labelled, begun, killed_one = (killed.begin(Pending(), None) for _ in range(3))

    def work() -> None:
        killed.label(labelled, tmp_path / "clone")
        killed.client.set_flow_run_state(begun, Running(), force=True)

    assert killed.close(work) == [PATIENCE], "one wait for all of them"
    assert [killed.state(run)[0] for run in (labelled, begun, killed_one)] == ["PENDING", "RUNNING", "CRASHED"]
    assert killed.planned() == [["begun 2 times"]]
