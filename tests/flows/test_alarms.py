"""What was raised is told for certain: whoever judged the window, and whatever fails in between."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.monitor import JudgedWindow, monitor
from components.monitor.history import keep, monitor_folder
from components.params.sections.monitor import Kind
from flows.alarms import keep_told, untold_windows
from flows.ports import free_port
from tests.answered import Said, answered, corrected
from tests.flows.loop import wait_until
from tests.flows.toy import edit, environment, make_line, tunesmith
from tests.prefect_server import asked, give_database, serving
from tests.shelf import NAME, Shelf
from tests.traffic import log_answers, watching

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def record(shelf: Shelf, hour: int, version: int, raised: tuple[Kind, ...], standing: tuple[Kind, ...]) -> None:
    """A window, as anybody may have judged it."""
    at = BEGAN + timedelta(hours=hour)
    window = JudgedWindow(
        model=NAME, version=version, package=shelf.registry.version(version).digest, since=at, until=at, judged=at,
        samples=500, findings=(), quality=None, requests=None, firing=standing, raised=raised, standing=standing,
    )  # fmt: skip
    keep(monitor_folder(shelf.settings, NAME), window)


def untold(shelf: Shelf) -> list[tuple[Kind, ...]]:
    return [window.raised for window in untold_windows(shelf.settings, NAME)]


def test_what_still_stands_of_the_champion_is_to_be_told_once(shelf: Shelf) -> None:
    first, second = shelf.promote(shelf.publish(0.0)), shelf.publish(0.05)
    assert untold(shelf) == []
    record(shelf, 0, first, ("inputs",), ("inputs",))
    record(shelf, 1, first, ("confidence",), ("inputs", "confidence"))
    assert untold(shelf) == [("inputs",), ("confidence",)]
    record(shelf, 2, first, (), ("confidence",))
    assert untold(shelf) == [(), ("confidence",), ()], "the other one has ended meanwhile"
    keep_told(shelf.settings, NAME, untold_windows(shelf.settings, NAME)[-1])
    assert untold(shelf) == []
    record(shelf, 3, first, ("inputs",), ("inputs", "confidence"))
    assert untold(shelf) == [("inputs",)]
    shelf.promote(second)
    assert untold(shelf) == [], "nobody answers as that version any more"
    record(shelf, 4, second, ("latency",), ("latency",))
    assert untold(shelf) == [("latency",)]


def test_what_prefect_has_not_taken_is_not_told(shelf: Shelf) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.labels import new_labels
    from flows.monitor_flow import tell_alarms, tell_labels

    record(shelf, 0, shelf.promote(shelf.publish(0.0)), ("inputs",), ("inputs",))
    said = [Said(f"{number:x}", "one") for number in range(100)]
    answered(shelf.settings, NAME, said)
    corrected(shelf.settings, NAME, said)
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        for tell in (tell_alarms, tell_labels):
            with pytest.raises(httpx.ConnectError):
                tell(watching(), shelf.settings)
    assert untold(shelf) == [("inputs",)]
    assert new_labels(shelf.settings, NAME) is not None


class Server:
    """Prefect's, whole, and the flow ``monitor`` as a process that talks to it.

    Args:
        shelf: whose champion is watched.
        root: of a workspace.
        address: of the server's API.
    """

    def __init__(self, shelf: Shelf, root: Path, address: str) -> None:
        self._root, self._address = make_line(root), address
        edit(root / "params.yaml", "retrain_on: [predictions, confidence, quality]", "retrain_on: [inputs]")
        self._environment = environment(TUNESMITH_HOME=str(shelf.settings.home), PREFECT_API_URL=address)

    def look(self) -> None:
        """Runs the flow."""
        command = [sys.executable, "-c", "from flows.monitor_flow import monitor; monitor()"]
        subprocess.run(command, check=True, cwd=self._root, env=self._environment)

    def events(self) -> list[dict[str, Any]]:
        """What of tunesmith the server has kept, by name."""
        question = {"filter": {"event": {"prefix": ["tunesmith."]}}}
        kept = asked(f"{self._address}/events/filter", question)["events"]
        return sorted(kept, key=lambda event: str(event["event"]))


@pytest.fixture
def server(shelf: Shelf, tmp_path: Path, prefect_database: Path) -> Iterator[Server]:
    with serving(give_database(prefect_database, tmp_path / "prefect")) as address:
        yield Server(shelf, tmp_path / "line", address)


@pytest.mark.slow
def test_an_alarm_that_a_look_by_hand_has_raised_is_told_by_the_flow_and_once(shelf: Shelf, server: Server) -> None:
    version = shelf.promote(shelf.publish(0.0))
    log_answers(shelf, version, drifted=True)
    window = monitor(watching(), shelf.settings)
    assert isinstance(window, JudgedWindow)
    assert window.raised == ("inputs",)
    server.look()
    assert untold(shelf) == []
    wait_until(lambda: len(server.events()) == 2, "the server has kept what it has taken")
    server.look()
    alarm, retrain = server.events()
    assert (alarm["event"], retrain["event"]) == ("tunesmith.alarm", "tunesmith.retrain")
    told = {"reason": window.sentence(), "kinds": ["inputs"], "version": version}
    assert (alarm["payload"], retrain["payload"]) == (told, told)


@pytest.mark.slow
def test_an_alarm_by_hand_has_an_exit_status_of_its_own(shelf: Shelf, tmp_path: Path) -> None:
    log_answers(shelf, shelf.promote(shelf.publish(0.0)), drifted=True)
    root = make_line(tmp_path / "line")
    edit(root / "params.yaml", "name: digits", f"name: {NAME}")
    assert tunesmith(root, "monitor", TUNESMITH_HOME=str(shelf.settings.home)).returncode == 3
    (root / "params.yaml").unlink()
    assert tunesmith(root, "monitor", TUNESMITH_HOME=str(shelf.settings.home)).returncode == 1
