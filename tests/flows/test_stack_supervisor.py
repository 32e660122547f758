"""What the supervisor does with parts that come up, die, hang, or do not come up; the parts are real processes."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from components.processes import start_ticks
from components.running_stack import FILE as RUNNING
from flows.endings import Ending
from flows.stack import keeper, logs, pulse, supervisor
from flows.stack.page import FOLDER
from flows.stack.part import Part
from flows.stack.process import members
from flows.stack.state import FILE as STATE
from flows.stack.state import StackState, read_state
from flows.stack.supervisor import Supervisor
from tests.flows.stacks import site, small_part

SLEEPS = "import time; time.sleep(600)"
Script = Callable[[StackState], None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long pauses."""
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(keeper, "PAUSE_SECONDS", 0.02)


def run(folder: Path, parts: Sequence[Part], script: Script) -> Supervisor:
    """Keeps parts until the script, which hears of each change, ends it by a signal."""
    made = Supervisor(site(folder), parts, script)
    made.announce()
    asyncio.run(asyncio.wait_for(made.run(), 60))
    return made


def end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def process_of_a(folder: Path) -> int | None:
    """The process of the first part, as the supervisor has written it down."""
    state = read_state(folder)
    return state.parts[0].process if state else None


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
    program = (
        "import subprocess, time; subprocess.Popen(['sleep', '601']);"
        "subprocess.Popen(['sleep', '601'], start_new_session=True); print('begun', flush=True); time.sleep(600)"
    )
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
    assert [start_ticks(sleeper) for sleeper in sleepers] == [None, None], "of its session, and of one of its own"
    assert members(killed[0], log) == []
    assert log.read_text().count("begun") == 2, "it goes on in the same log"


def test_a_part_that_dies_again_and_again_is_given_up_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "QUICK_ENDS", 3)
    found: list[StackState] = []
    both = tmp_path / "both are healthy"
    program = (
        f"import time, pathlib\nwhile not pathlib.Path({str(both)!r}).exists(): time.sleep(0.01)\nexit('no bread')"
    )

    def script(state: StackState) -> None:
        if state.phase == "up":
            both.touch()
        if conditions(state)["a"] == "failed" and not found:
            found.append(state)
            end()

    run(tmp_path, [small_part("a", program), small_part("b", SLEEPS)], script)
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
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 1.0)
    ended = run(tmp_path, [small_part("a", SLEEPS, lambda: False)], lambda state: None)
    assert ended.state.fault is not None
    told = "a did not answer within 1 s of its start before it was healthy. It said last:\n  nothing\n"
    assert ended.state.fault.startswith(told)


def test_a_part_that_hangs_is_ended_with_what_it_started_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.stack.process.FAREWELL_SECONDS", 0.5)
    program = "import subprocess, time; subprocess.Popen(['sleep', '602']); print('begun', flush=True); time.sleep(600)"
    log, processes, sleepers = tmp_path / "logs" / "a.log", list[int](), list[int]()

    def healthy() -> bool:
        """Once in each life, when it has started what it starts."""
        begun = log.read_text().count("begun") == len(set(processes)) + 1
        return begun and process_of_a(tmp_path) not in processes

    def script(state: StackState) -> None:
        (part,) = state.parts
        if part.condition == "healthy" and part.process is not None:
            processes.append(part.process)
            if part.restarts == 1:
                end()
        elif part.condition == "silent" and part.process is not None and not sleepers:
            sleepers.extend(child.pid for child in psutil.Process(part.process).children())
            os.kill(part.process, signal.SIGSTOP)

    run(tmp_path, [small_part("a", program, healthy)], script)
    assert processes[0] != processes[-1]
    assert len(sleepers) == 1
    assert [start_ticks(one) for one in (*processes, *sleepers)] == [None] * (len(processes) + 1)


def test_a_part_that_hangs_after_each_start_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "QUICK_ENDS", 2)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.02)
    asked: dict[int, bool] = {}
    found: list[StackState] = []

    def once() -> bool:
        """An answer in each life, and none after it."""
        process = process_of_a(tmp_path)
        return process is not None and not asked.setdefault(process, False) and not asked.update({process: True})

    def script(state: StackState) -> None:
        if conditions(state)["a"] == "failed" and not found:
            found.append(state)
            end()

    run(tmp_path, [small_part("a", SLEEPS, once)], script)
    (part,) = found[0].parts
    assert (part.restarts, part.process) == (1, None)
    assert part.fault is not None
    assert part.fault.startswith(f"a hung: {pulse.HUNG_MISSES} questions had no answer 2 times, soon after each start.")


def test_a_part_that_never_answers_after_a_restart_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 1.0)

    def script(state: StackState) -> None:
        (part,) = state.parts
        if part.condition == "healthy" and part.process is not None:
            if part.restarts == 0:
                os.kill(part.process, signal.SIGKILL)
            elif part.restarts == 2:
                end()

    def healthy() -> bool:
        state = read_state(tmp_path)
        return state is not None and state.parts[0].restarts != 1

    ended = run(tmp_path, [small_part("a", SLEEPS, healthy)], script)
    assert ended.state.parts[0].restarts == 2


def test_a_part_is_not_ended_for_the_silence_of_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.02)
    long, asked = 2 * pulse.HUNG_MISSES, [0]
    well = [True]

    def a_answers() -> bool:
        return well[0] or asked[0] > long

    def b_answers() -> bool:
        asked[0] += not well[0]
        return a_answers()

    def script(state: StackState) -> None:
        if state.phase == "up" and conditions(state) == {"a": "healthy", "b": "healthy"}:
            if well[0]:
                well[0] = False
            else:
                end()

    parts = [small_part("a", SLEEPS, a_answers), small_part("b", SLEEPS, b_answers, needs=("a",))]
    ended = run(tmp_path, parts, script)
    assert asked[0] > long
    assert [part.restarts for part in ended.state.parts] == [1, 0]


def test_a_restart_that_cannot_be_is_tried_again_and_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, say, or a program is being replaced."""
    starts, killed = list[int](), list[int]()

    def prepare() -> None:
        starts.append(1)
        if len(starts) == 2:
            raise OSError(28, "No space left on device")

    def script(state: StackState) -> None:
        a, b = state.parts
        if a.condition == b.condition == "healthy" and a.process is not None:
            if not killed:
                killed.append(a.process)
                os.kill(a.process, signal.SIGKILL)
            elif a.restarts:
                assert (a.restarts, b.restarts) == (2, 0)
                end()

    parts = [replace(small_part("a", SLEEPS), prepare=prepare), small_part("b", SLEEPS)]
    ended = run(tmp_path, parts, script)
    assert (ended.state.fault, len(starts)) == (None, 3)


def test_the_page_tells_of_a_run_that_failed_though_no_part_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "REFRESH_SECONDS", 0.1)
    when, failed = "2026-11-27T10:00:00+00:00", tmp_path / "flows/retrain.json"

    def script(state: StackState) -> None:
        if state.phase == "up" and not failed.exists():
            failed.parent.mkdir()
            Ending(flow="retrain", state="Failed", ended=when, why="a class is gone.", completed=None).write(failed)
        elif "a class is gone." in (tmp_path / FOLDER / "index.html").read_text():
            end()

    assert run(tmp_path, [small_part("a", SLEEPS)], script).state.phase == "ended"


def test_what_cannot_be_written_ends_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A folder in the place of the file stands for a full disk: root may write everywhere else."""
    seen: list[str] = []

    def script(state: StackState) -> None:
        seen.append(state.phase)
        if state.phase == "up" and seen.count("up") == 1:
            (tmp_path / STATE).unlink()
            (tmp_path / STATE / "in the way").mkdir(parents=True)
            end()

    ended = run(tmp_path, [small_part("a", SLEEPS)], script)
    assert conditions(ended.state) == {"a": "stopped"}
    assert ended.state.phase == "ended"
    assert "What became of the stack cannot be told: " in capfd.readouterr().err


def test_the_end_of_its_terminal_ends_it_in_good_order(tmp_path: Path) -> None:
    def script(state: StackState) -> None:
        if state.phase == "up":
            os.kill(os.getpid(), signal.SIGHUP)

    ended = run(tmp_path, [small_part("a", SLEEPS)], script)
    assert (ended.state.phase, conditions(ended.state)) == ("ended", {"a": "stopped"})


def test_a_part_that_falls_silent_for_a_while_is_told_and_left_alone(tmp_path: Path) -> None:
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
    monkeypatch.setattr(logs, "LONGEST_BYTES", 1000)
    program = (
        "import signal, time; asked = []; signal.signal(signal.SIGTERM, lambda *_: asked.append(1))\n"
        "while not asked:\n    print('x' * 99, flush=True)\n    time.sleep(0.005)\n"
        "print('x' * 99, flush=True)"  # what was written before may have been put aside just now
    )
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
