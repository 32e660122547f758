import io

import pytest
from rich.console import Console

from flows.board import BOARD, LiveBoard, PlainBoard, Recorder, duration, shown
from flows.report import verdict
from flows.runs import Run, StageResult

RAN = StageResult(stage="train", state="ran", seconds=12.4, summary="Best of 6 epochs: 98 % right.\nin epoch 4")
FAILED = StageResult(stage="train", state="failed", seconds=1.24, summary="train: memory ran out")


def drawn(board: LiveBoard, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(board)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_the_table_shows_each_stage_as_it_stands() -> None:
    board = LiveBoard()
    assert drawn(board) == ["Asking DVC what has changed; if anything did, Prefect starts."]
    board.begins(["fetch", "train", "evaluate"])
    assert drawn(board) == ["fetch     waiting", "train     waiting", "evaluate  waiting"]
    board.finished(StageResult.idle("fetch", "unchanged"))
    board.started("train")
    board.said("train", "epoch 1/6: [loss] 0.3 " + "x" * 200)
    lines = drawn(board)
    assert lines[0] == "fetch     unchanged"
    assert lines[1].startswith("train     running      0.")
    assert "epoch 1/6: [loss] 0.3" in lines[1], "brackets are no markup"
    assert len(lines) == 3, "a long line is cut, not wrapped"
    board.finished(RAN)
    assert drawn(board)[1].split()[:4] == ["train", "done", "12", "s"]
    assert "Best of 6 epochs: 98 % right." in drawn(board)[1]
    board.finished(FAILED)
    assert "failed" in drawn(board)[1]
    assert "1.2 s" in drawn(board)[1]


def test_where_there_is_no_terminal_each_thing_is_a_line() -> None:
    console = Console(file=io.StringIO(), width=40)
    with shown(console):
        board = BOARD.get()
        assert isinstance(board, PlainBoard)
        board.started("train")
        board.said("train", "epoch 1/6: [loss] 0.3 and words that are longer than the console is wide")
        board.finished(RAN)
        board.finished(StageResult.idle("fetch", "unchanged"))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "train     running",
        "train     | epoch 1/6: [loss] 0.3 and words that are longer than the console is wide",
        "train     done in 12 s",
        "fetch     unchanged",
    ]
    assert BOARD.get() is not board


def test_a_recorder_remembers_the_last_result_of_each_stage() -> None:
    recorder = Recorder(BOARD.get(), ["fetch", "train", "evaluate"])
    with recorder.listening():
        assert BOARD.get() is recorder
        recorder.finished(FAILED)
        recorder.finished(RAN)
    assert recorder.results() == (
        StageResult.idle("fetch", "not reached"),
        RAN,
        StageResult.idle("evaluate", "not reached"),
    )


def test_the_verdict_says_what_to_do_next() -> None:
    run = Run(id="x", process=1, started="now", version=3, sentence="Version 3 may replace version 2.")
    assert verdict(run.model_copy(update={"outcome": "promoted"})) == "Promoted. Version 3 may replace version 2."
    assert "tunesmith promote 3" in verdict(run.model_copy(update={"outcome": "held"}))
    assert "reports/gate/gate.json" in verdict(run.model_copy(update={"outcome": "refused"}))
