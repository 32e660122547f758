"""How the last run of each deployment ended is told where a person looks."""

from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.errors import StageFailed
from flows.endings import Ending, keep_ending, read_endings
from flows.status import Status, print_status

RETRAIN: Any = SimpleNamespace(name="retrain")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path))
    return tmp_path


def told(home: Path) -> Ending:
    (ending,) = read_endings(home)
    return ending


def test_an_end_is_kept_with_its_reason_and_the_last_good_one(home: Path) -> None:
    from prefect.states import Completed, Crashed, Failed

    run: Any = None
    assert read_endings(home) == ()
    keep_ending(RETRAIN, run, Failed(message="It raised.", data=StageFailed("validate: a class is gone.")))
    assert told(home).sentence().endswith(", it has never ended well: validate: a class is gone.")
    keep_ending(RETRAIN, run, Completed())
    assert told(home).sentence() == f"retrain ended well at {told(home).ended[:16].replace('T', ' ')} UTC."
    good = told(home).completed
    keep_ending(RETRAIN, run, Crashed(message="It was killed."))
    assert (told(home).why, told(home).completed) == ("It was killed.", good)
    (home / "flows/retrain.json").write_text('{"of": "another release"}')
    assert read_endings(home) == ()


def test_the_status_says_what_failed() -> None:
    when = "2026-11-27T10:00:00+00:00"
    poisoned = Ending(flow="retrain", state="Failed", ended=when, why="validate: a class is gone.", completed=when)
    status = Status("digits", 1, 1, "Every stage is unchanged.", (), (poisoned,), {})
    print_status(status, Console(file=(shown := StringIO()), width=40))
    at = "2026-11-27 10:00 UTC"
    assert f"retrain: failed at {at}, it last ended well at {at}: validate: a class is gone.\n" in shown.getvalue()
    assert status.as_json()["flows"][0]["why"] == "validate: a class is gone."
