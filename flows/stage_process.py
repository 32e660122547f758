"""One stage of the line as a process: started, listened to line by line, and ended with the run."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from pathlib import Path
from types import MappingProxyType
from typing import IO, cast

from components.errors import StageCutOff, StageFailed
from components.settings import Settings
from flows.runs import StageResult, StageState
from flows.stage_reproduction import Ended

Listener = Callable[[str], None]

STATES: dict[int, StageState] = {Ended.RAN: "ran", Ended.RESTORED: "restored", Ended.UNCHANGED: "unchanged"}
SUMMARY_LINES = 2

_running: set[subprocess.Popen[str]] = set()
_stopping = threading.Event()


def reproduce_stage(
    name: str,
    settings: Settings,
    listener: Listener,
    *,
    force: bool = False,
    commit: bool = True,
    python: str = sys.executable,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> StageResult:
    """Lets DVC bring one stage up to date, in a process that dies with the calling thread.

    Args:
        name: the stage.
        settings: where its log is kept: ``logs/<stage>.log`` of the home folder.
        listener: called with each line of its output, from several threads.
        force: run it although nothing changed.
        commit: whether its outputs are put into DVC's cache.
        python: the interpreter that runs it.
        variables: further ones of its environment.

    Raises:
        StageFailed: it ended with an error; says it in the stage's own words.
        StageCutOff: the same, and the registry was the reason.
    """
    if _stopping.is_set():
        raise StageFailed(f"{name}: the run was stopped.")
    began = time.monotonic()
    log = settings.home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = _command(name, python, force=force, commit=commit)
    with log.open("w", encoding="utf-8", buffering=1) as file:
        said, complained = _Lines(listener, file), _Lines(listener, file)
        status = _listen(_start(command, stage_environment(python) | dict(variables)), said, complained)
    if _stopping.is_set():
        raise StageFailed(f"{name}: the run was stopped.")
    if status not in STATES:
        failed = StageCutOff if status == Ended.CUT_OFF else StageFailed
        raise failed(_sentence(name, complained.lines, log))
    summary = "\n".join(said.lines[-SUMMARY_LINES:])
    return StageResult(stage=name, state=STATES[status], seconds=time.monotonic() - began, summary=summary)


def end_running_stages() -> None:
    """Kills every stage that is running, with all that it started; this process starts no other."""
    _stopping.set()
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class _Lines:
    """The lines of one stream: kept, logged and passed on."""

    def __init__(self, listener: Listener, log: IO[str]) -> None:
        self.lines: list[str] = []
        self._listener = listener
        self._log: IO[str] | None = log

    def follow(self, stream: IO[str]) -> None:
        for line in stream:
            text = line.rstrip()
            if text:
                self.lines.append(text)
                self._keep(text)
                self._listener(text)

    def _keep(self, text: str) -> None:
        """A full disk must not end the listening: the stage would wait for ever until somebody reads what it says."""
        try:
            if self._log is not None:
                self._log.write(text + "\n")
        except OSError as error:
            self._log = None
            self._listener(f"Its log cannot be written any more: {error}")


def _command(name: str, python: str, *, force: bool, commit: bool) -> list[str]:
    options = [*(["--force"] if force else []), *([] if commit else ["--no-commit"])]
    return [python, "-m", "flows.stage_reproduction", name, "--parent", str(os.getpid()), *options]


def _start(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C ends the run, and the run ends its stages
        env=environment,
    )


def stage_environment(python: str = sys.executable) -> dict[str, str]:
    """The environment of a stage: ``python`` is the interpreter that is named, its output comes at once."""
    here = str(Path(python).parent)
    return os.environ | {
        "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _listen(process: subprocess.Popen[str], said: _Lines, complained: _Lines) -> int:
    _running.add(process)
    if _stopping.is_set():
        process.kill()
    try:
        with process:
            follow_stderr = copy_context().run  # Prefect's logger finds its run there
            other = threading.Thread(target=follow_stderr, args=(complained.follow, process.stderr), daemon=True)
            other.start()
            said.follow(cast(IO[str], process.stdout))
            other.join()
        return process.returncode
    finally:
        _running.discard(process)


def _sentence(name: str, complaints: list[str], log: Path) -> str:
    """Why a stage failed: what it says under its own name, or the last line of a fault that nobody foresaw."""
    starts = [index for index, line in enumerate(complaints) if line.startswith(f"{name}: ")]
    if starts:
        return "\n".join(complaints[starts[-1] :])
    last = complaints[-1] if complaints else "it said nothing"
    return f"{name}: it ended with an error that it does not explain: {last}\nIts whole output is in {log}."
