"""What the supervisor does with parts that come up, die, hang, or do not come up; the parts are real processes."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from components.processes import start_ticks
from components.running_stack import FILE as RUNNING
from flows.stack import keeper
from flows.stack.part import Part
from flows.stack.process import session_members
from flows.stack.state import StackState, read_state
from flows.stack.supervisor import Supervisor
from tests.flows.stacks import site, small_part

SLEEPS = "import time; time.sleep(600)"
Script = Callable[[StackState], None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long pauses."""
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(keeper, "LONGEST_PAUSE_SECONDS", 0.1)


def run(folder: Path, parts: Sequence[Part], script: Script) -> Supervisor:
    """Keeps parts until the script, which hears of each change, ends it by a signal."""
    supervisor = Supervisor(site(folder), parts, script)
    supervisor.announce()
    asyncio.run(asyncio.wait_for(supervisor.run(), 60))
    return supervisor


def end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def conditions(state: StackState) -> dict[str, str]:
    return {part.name: part.condition for part in state.parts}


def test_parts_come_up_in_order_and_go_down_in_the_reverse_one(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    known: list[bool] = []

    def script(state: StackState) -> None:
        seen.append(conditions(state))
        if state.phase == "up" and not known:
            known.append((tmp_path / RUNNING).exists())
            end()

    ended = run(tmp_path, [small_part("a", SLEEPS), small_part("b", SLEEPS, needs=("a",))], script)
    assert known == [True]
    assert not any(one["b"] == "starts" and one["a"] != "healthy" for one in seen)
    assert not any(one["a"] in ("stops", "stopped") and one["b"] != "stopped" for one in seen)
    assert conditions(ended.state) == {"a": "stopped", "b": "stopped"}
    assert (ended.state.phase, ended.state.fault) == ("ended", None)
    assert read_state(tmp_path) == ended.state
    assert not (tmp_path / RUNNING).exists()


def test_a_part_that_dies_is_started_again_and_what_it_started_is_gone(tmp_path: Path) -> None:
    program = "import subprocess, time; subprocess.Popen(['sleep', '601']); print('begun', flush=True); time.sleep(600)"
    log, sleepers, killed = tmp_path / "logs" / "a.log", list[int](), list[int]()

    def begun() -> bool:
        return log.read_text().count("begun") == len(killed) + 1

    def script(state: StackState) -> None:
        (part,) = state.parts
        if part.condition != "healthy":
            return
        assert part.process is not None
        if not killed:
            sleepers.extend(child.pid for child in psutil.Process(part.process).children())
            killed.append(part.process)
            os.kill(part.process, signal.SIGKILL)
        elif part.restarts == 1:
            end()

    run(tmp_path, [small_part("a", program, begun)], script)
    assert [start_ticks(sleeper) for sleeper in sleepers] == [None]
    assert session_members(killed[0]) == []
    assert log.read_text().count("begun") == 2, "it goes on in the same log"


def test_a_part_that_dies_again_and_again_is_given_up_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "QUICK_DEATHS", 3)
    found: list[StackState] = []

    def script(state: StackState) -> None:
        if conditions(state)["a"] == "failed" and not found:
            found.append(state)
            end()

    run(tmp_path, [small_part("a", "import time; time.sleep(0.4); exit('no bread')"), small_part("b", SLEEPS)], script)
    part = found[0].parts[0]
    assert found[0].parts[1].condition == "healthy"
    assert (part.name, part.restarts) == ("a", 2)
    assert part.fault is not None
    assert part.fault.startswith("a ended with status 1 3 times, soon after each start. It said last:\n  no bread\n")


def test_a_part_that_does_not_come_up_ends_the_start_with_its_own_words(tmp_path: Path) -> None:
    never: Callable[[], bool] = lambda: False  # noqa: E731
    parts = [small_part("a", SLEEPS), small_part("b", "import sys; sys.exit('no bread')", never, needs=("a",))]
    ended = run(tmp_path, parts, lambda state: None)
    assert ended.state.fault == (
        "b ended with status 1 before it was healthy. It said last:\n  no bread\n"
        f"Its whole output is in {tmp_path / 'logs' / 'b.log'}."
    )
    assert conditions(ended.state) == {"a": "stopped", "b": "stopped"}


def test_a_part_that_never_answers_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 1.0)
    ended = run(tmp_path, [small_part("a", SLEEPS, lambda: False)], lambda state: None)
    assert ended.state.fault is not None
    assert ended.state.fault.startswith("a does not answer after 1 s. It said last:\n  nothing\n")


def test_a_part_that_falls_silent_is_told_and_left_alone(tmp_path: Path) -> None:
    answers = [True, False, False, False, True]
    seen: list[str] = []

    def script(state: StackState) -> None:
        condition = conditions(state)["a"]
        if not seen or seen[-1] != condition:
            seen.append(condition)
        if seen.count("healthy") == 2 and state.phase == "up":
            end()

    ended = run(tmp_path, [small_part("a", SLEEPS, lambda: answers.pop(0) if answers else True)], script)
    assert seen[:5] == ["waits", "starts", "healthy", "silent", "healthy"]
    assert ended.state.parts[0].restarts == 0


def test_a_part_that_does_not_want_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.stack.process.FAREWELL_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)"
    log = tmp_path / "logs" / "a.log"
    processes: list[int] = []

    def script(state: StackState) -> None:
        if state.phase == "up" and not processes:
            assert state.parts[0].process is not None
            processes.append(state.parts[0].process)
            end()

    run(tmp_path, [small_part("a", f"{deaf}; time.sleep(600)", lambda: "deaf" in log.read_text())], script)
    assert not psutil.pid_exists(processes[0])


def test_a_long_log_begins_anew_and_the_part_goes_on_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "LOG_BYTES", 1000)
    program = "import time\nwhile True:\n    print('x' * 99, flush=True)\n    time.sleep(0.005)"
    log = tmp_path / "logs" / "a.log"
    seen: list[int] = []

    def script(state: StackState) -> None:
        if state.phase == "up":
            end()

    def healthy() -> bool:
        seen.append(log.stat().st_size)
        return len(seen) > 8 and log.with_suffix(".log.1").exists()

    monkeypatch.setattr(keeper, "GLANCE_SECONDS", 0.1)
    run(tmp_path, [small_part("a", program, healthy)], script)
    assert set(log.read_text().splitlines()) == {"x" * 99}, "no hole of zeros at its beginning"
