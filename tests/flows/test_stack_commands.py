"""``tunesmith up``, ``down``, ``ps`` and ``logs`` as a person runs them, with the smallest stack: the page."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from components.processes import start_ticks
from components.running_stack import FILE as RUNNING
from flows.stack.process import MARK
from flows.stack.state import FILE as STATE
from tests.flows.stacks import ONLY_PAGE, Workspace, wait_for, workspace
from tests.flows.toy import heeding_interrupts


@pytest.fixture
def small() -> Iterator[Workspace]:
    with workspace() as made:
        yield made


def test_up_ps_and_down(small: Workspace) -> None:
    up = small.tunesmith("up", "--without", ONLY_PAGE)
    address = f"http://127.0.0.1:{small.variables['TUNESMITH_STACK_PAGE_PORT']}"
    assert (up.returncode, up.stderr) == (0, "")
    assert "page         healthy after " in up.stdout
    assert up.stdout.endswith(f"All of it: {address}\n")
    assert "Everything is healthy" in httpx.get(address).text

    again = small.tunesmith("up", "--without", ONLY_PAGE)
    assert again.returncode == 1
    assert again.stderr.startswith(f"A stack runs in {small.home} already (process {small.state().process}, since ")

    shown = small.tunesmith("ps", "--json")
    (part,) = json.loads(shown.stdout)["parts"]
    assert shown.returncode == 0
    assert (part["name"], part["condition"], part["restarts"]) == ("page", "healthy", 0)
    assert (part["process"], part["address"]) == (small.process_of("page"), address)
    assert part["memory"] > 2**20
    assert "healthy" in small.tunesmith("ps").stdout

    down = small.tunesmith("down")
    assert down.returncode == 0
    assert " ".join(down.stdout.split()) == "page stopped The stack is down; what it holds is kept."
    assert small.processes() == []
    assert not (small.home / RUNNING).exists()
    assert small.tunesmith("down").stdout == "No stack runs here.\n"
    gone = small.tunesmith("ps")
    assert (gone.returncode, gone.stdout) == (1, "No stack runs here. 'tunesmith up' starts one.\n")


@pytest.mark.slow
def test_a_killed_part_is_told_and_logs_are_shown(small: Workspace) -> None:
    assert small.tunesmith("up", "--without", ONLY_PAGE).returncode == 0
    first = small.process_of("page")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: small.condition_of("page") == "healthy" and small.process_of("page") != first, "its restart")
    (part,) = json.loads(small.tunesmith("ps", "--json").stdout)["parts"]
    assert (part["restarts"], part["ended"]) == (1, "was killed by signal 9")
    assert "page was started again: before that, it was killed by signal 9." in small.tunesmith("ps").stdout
    told = small.tunesmith("logs", "stack").stdout
    assert re.search(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d page +restarts +was killed by signal 9$", told), told

    with (small.home / "logs" / "page.log").open("a") as log:
        log.write("one\ntwo\n")
    assert small.tunesmith("logs", "page", "--lines", "1").stdout == "two\n"
    assert "page  | one\npage  | two\n" in small.tunesmith("logs").stdout
    unknown = small.tunesmith("logs", "grafana")
    assert (unknown.returncode, unknown.stderr[:35]) == (1, "There is no part 'grafana'. Parts: ")

    assert small.tunesmith("down").returncode == 0
    assert json.loads(small.tunesmith("ps", "--json").stdout) == {"phase": "ended", "parts": []}


def test_logs_are_followed(small: Workspace) -> None:
    log = small.home / "logs" / "page.log"
    log.parent.mkdir(parents=True)
    log.write_text("before\n")
    with heeding_interrupts():
        following = small.start("logs", "page", "--follow")
    assert following.stdout
    assert following.stdout.readline() == "before\n"
    with log.open("a") as file:
        file.write("after\nhalf a li")
        file.flush()
        assert following.stdout.readline() == "after\n"
        file.write("ne\n")
    assert following.stdout.readline() == "half a line\n"
    log.write_text("new\n")
    assert following.stdout.readline() == "new\n", "it was begun anew"
    log.rename(log.with_suffix(".log.1"))  # as the next start does
    log.write_text("of the next start\n")
    assert following.stdout.readline() == "of the next start\n"
    following.send_signal(signal.SIGINT)
    assert following.communicate(timeout=60)[0] == ""
    assert following.returncode == 0


def test_what_is_taken_or_missing_is_a_sentence_and_nothing_is_left(small: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(small.variables["TUNESMITH_STACK_PAGE_PORT"])))
        taken.listen()
        up = small.tunesmith("up", "--without", ONLY_PAGE)
    assert up.returncode == 1
    assert f"is taken by process {os.getpid()} (" in up.stderr
    assert "Traceback" not in up.stderr
    assert small.processes() == []
    unknown = small.tunesmith("up", "--without", "grafana")
    assert (unknown.returncode, unknown.stderr[:42]) == (1, "--without grafana: the parts are postgres,")
    assert small.tunesmith("logs").stderr.startswith("There is no log of the stack in ")


def test_in_the_foreground_it_stays_and_sigterm_ends_it(small: Workspace) -> None:
    process = small.start("up", "--foreground", "--without", ONLY_PAGE)
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[0].startswith("page         healthy after ")
    assert lines[2].startswith("All of it: http://127.0.0.1:")
    assert small.state().process == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0].split() == ["page", "stopped"]
    assert process.returncode == 0
    assert small.processes() == []


def test_parts_die_with_a_killed_supervisor_and_the_next_start_works(small: Workspace) -> None:
    assert small.tunesmith("up", "--without", ONLY_PAGE).returncode == 0
    os.kill(small.state().process, signal.SIGKILL)
    wait_for(lambda: small.processes() == [], "the end of its parts")
    assert small.tunesmith("ps").returncode == 1
    assert small.tunesmith("up", "--without", ONLY_PAGE).returncode == 0
    assert small.condition_of("page") == "healthy"


@pytest.mark.slow
def test_leftovers_of_another_run_of_the_machine_are_not_taken_for_ours(small: Workspace) -> None:
    """After a start of the machine the numbers of the file are those of somebody else."""
    assert small.tunesmith("up", "--without", ONLY_PAGE).returncode == 0
    assert small.tunesmith("down").returncode == 0
    stranger = subprocess.Popen(["sh", "-c", "sleep 600 & exec sleep 600"], start_new_session=True)
    ended = small.state()
    part = ended.parts[0].model_copy(update={"process": stranger.pid, "started": start_ticks(stranger.pid)})
    ours = {"process": 2**22, "phase": "up", "parts": (part,)}
    ended.model_copy(update={**ours, "boot": "another"}).write(small.home / STATE)
    assert small.tunesmith("down").stdout == "No stack runs here.\n"
    assert stranger.poll() is None
    ended.model_copy(update=ours).write(small.home / STATE)
    assert small.tunesmith("down").stdout == "Its supervisor was gone; ended page.\n"
    assert stranger.wait(timeout=60) == -signal.SIGKILL


@pytest.mark.slow
def test_what_a_part_began_in_a_session_of_its_own_is_ended_after_a_killed_supervisor(small: Workspace) -> None:
    assert small.tunesmith("up", "--without", ONLY_PAGE).returncode == 0
    marked = os.environ | {MARK: str(small.home / "logs" / "page.log")}
    run = subprocess.Popen(["sleep", "600"], env=marked, start_new_session=True)
    os.kill(small.state().process, signal.SIGKILL)
    wait_for(lambda: small.processes() == [], "the end of its parts")
    assert small.tunesmith("up", "--without", ONLY_PAGE).returncode == 0
    assert run.wait(timeout=60) == -signal.SIGKILL


def test_a_stack_whose_own_file_is_damaged_can_be_stopped(small: Workspace) -> None:
    assert small.tunesmith("up", "--without", ONLY_PAGE).returncode == 0
    (small.home / RUNNING).write_text("{")
    refused = small.tunesmith("history")
    assert (refused.returncode, "stop it with 'tunesmith down'" in refused.stderr) == (1, True)
    assert small.tunesmith("ps").returncode == 0
    assert small.tunesmith("down").returncode == 0
    assert small.processes() == []
    assert small.tunesmith("history").returncode == 0


def test_two_at_once_and_one_of_them_wins(small: Workspace) -> None:
    both = [small.start("up", "--without", ONLY_PAGE) for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    assert sum("already (process" in text for text in said) == 1
    supervisors = [words for words in small.commands() if "flows.stack" in words]
    assert len(supervisors) == 1
