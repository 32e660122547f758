"""What a person sees while the line runs: a table that lives on a terminal, plain lines anywhere else."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flows.runs import StageResult

STYLES = {"ran": "green", "restored": "green", "unchanged": "dim", "failed": "bold red", "not reached": "dim"}
WORDS = {"ran": "done", "restored": "restored"}


class Board:
    """Hears what happens in the line; this one shows nothing. Called from several threads."""

    def begins(self, stages: list[str]) -> None:
        """The line will go through these stages."""

    def started(self, stage: str) -> None:
        """A stage runs now."""

    def said(self, stage: str, line: str) -> None:
        """A stage wrote a line."""

    def finished(self, result: StageResult) -> None:
        """A stage has ended."""


BOARD: ContextVar[Board] = ContextVar("board", default=Board())  # noqa: B039  the silent board holds no state
"""The board of the run that this thread belongs to."""


class Recorder(Board):
    """Remembers how each stage ended, and passes everything on to another board."""

    def __init__(self, board: Board, stages: list[str]) -> None:
        self._board = board
        self._stages = stages
        self._results: dict[str, StageResult] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Makes this the board for the length of a block."""
        self._board.begins(self._stages)
        token = BOARD.set(self)
        try:
            yield
        finally:
            BOARD.reset(token)

    def results(self) -> tuple[StageResult, ...]:
        """Every stage in the order of the line, also those that were never reached."""
        return tuple(self._results.get(stage) or StageResult.idle(stage, "not reached") for stage in self._stages)

    def started(self, stage: str) -> None:
        """Passes it on."""
        self._board.started(stage)

    def said(self, stage: str, line: str) -> None:
        """Passes it on."""
        self._board.said(stage, line)

    def finished(self, result: StageResult) -> None:
        """Remembers the result; the last one counts where a stage was tried again."""
        self._results[result.stage] = result
        self._board.finished(result)


class PlainBoard(Board):
    """One line for each thing that happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def started(self, stage: str) -> None:
        """Says so."""
        self._tell(stage, "running")

    def said(self, stage: str, line: str) -> None:
        """Repeats the line behind the stage's name."""
        self._tell(stage, f"| {line}")

    def finished(self, result: StageResult) -> None:
        """Says how, and after how long; a failure is told at the end of the run."""
        ran = result.state in ("ran", "restored", "failed")
        took = f" in {duration(result.seconds)}" if ran else ""
        self._tell(result.stage, WORDS.get(result.state, result.state) + took)

    def _tell(self, stage: str, text: str) -> None:
        self._console.print(f"{stage:<9} {text}", markup=False, highlight=False, soft_wrap=True)


@dataclass
class _Row:
    since: float | None = None
    line: str = ""
    result: StageResult | None = None


class LiveBoard(Board):
    """A table with a row for each stage, drawn anew several times a second."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()

    def begins(self, stages: list[str]) -> None:
        """Shows every stage as waiting."""
        with self._lock:
            self._rows = {stage: _Row() for stage in stages}

    def started(self, stage: str) -> None:
        """Starts the clock of its row."""
        with self._lock:
            self._rows[stage] = _Row(since=time.monotonic())

    def said(self, stage: str, line: str) -> None:
        """Shows the line until the next one."""
        with self._lock:
            self._rows[stage].line = line

    def finished(self, result: StageResult) -> None:
        """Stops the clock of its row."""
        with self._lock:
            self._rows[result.stage].result = result

    def __rich__(self) -> Table:
        """The table of this moment."""
        if not self._rows:
            waiting = Table.grid()
            waiting.add_row(Text("Asking DVC what has changed; if anything did, Prefect starts.", style="dim"))
            return waiting
        table = Table.grid(padding=(0, 2), expand=True)
        for width in (max(map(len, self._rows)), len("not reached"), len("99 min 59 s")):
            table.add_column(no_wrap=True, width=width)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        with self._lock:
            for stage, row in self._rows.items():
                table.add_row(stage, *_cells(row))
        return table


def _cells(row: _Row) -> tuple[Text, str, Text]:
    if row.result is not None:
        return state_text(row.result), state_time(row.result), Text(_first_line(row.result.summary), style="dim")
    if row.since is not None:
        elapsed = duration(time.monotonic() - row.since)
        return Text("running", style="bold cyan"), elapsed, Text(row.line, style="dim")
    return Text("waiting", style="dim"), "", Text()


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def state_text(result: StageResult) -> Text:
    """How a stage ended, in a word and its colour."""
    return Text(WORDS.get(result.state, result.state), style=STYLES[result.state])


def state_time(result: StageResult) -> str:
    """How long a stage took; nothing where it did not run."""
    return "" if result.state in ("unchanged", "not reached") else duration(result.seconds)


def duration(seconds: float) -> str:
    """A time as a person says it: 0.4 s, 12 s, 3 min 5 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def shown(console: Console) -> Iterator[None]:
    """Puts up the board that suits the console, for the length of a block."""
    board: Board = LiveBoard() if console.is_terminal else PlainBoard(console)
    token = BOARD.set(board)
    try:
        if isinstance(board, LiveBoard):
            with Live(board, console=console, refresh_per_second=5, transient=True):
                yield
        else:
            yield
    finally:
        BOARD.reset(token)
