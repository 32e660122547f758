import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.contracts import CORRECTIONS, FEEDBACK
from components.errors import DataError
from components.feedback import waiting, withdraw
from components.feedback.kept import unusable_file
from components.feedback.run import run
from components.feedback.standing import digest_of
from components.files import file_sha256
from components.params import Params, load_params
from components.predictions import feedback_folder, predictions_folder
from components.settings import Settings
from tests.answered import Said, answered, corrected
from tests.places import REPOSITORY

NAME = "digits"
PICTURES = [Said(f"picture-{number}", "seven", input=bytes([number] * 64)) for number in range(3)]
TEXT = Said("text-1", "spam", original="Buy now")
UNKEPT = Said("unkept", "seven")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(home=tmp_path / "home", take_feedback=True)


def params() -> Params:
    return load_params(REPOSITORY / "params.yaml").model_copy(update={"name": NAME})


def kept() -> pd.DataFrame:
    return pd.read_parquet(CORRECTIONS)


def gather_pictures(settings: Settings) -> None:
    """Three pictures are answered, corrected and taken in."""
    answered(settings, NAME, PICTURES)
    corrected(settings, NAME, PICTURES)
    run(params(), settings)


def test_without_a_server_there_is_an_empty_table(settings: Settings) -> None:
    run(params(), settings)
    assert len(kept()) == 0
    assert len(waiting(settings, NAME)) == 0


def test_what_was_corrected_is_kept_with_what_was_asked(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    answered(settings, NAME, [*PICTURES, TEXT, UNKEPT])
    corrected(settings, NAME, [PICTURES[1], TEXT, UNKEPT, Said("of nothing", "one")])
    assert len(waiting(settings, NAME)) == 4
    run(params(), settings)
    assert kept()["request_id"].to_list() == ["picture-1", "text-1"]
    assert kept()["label"].to_list() == ["seven", "spam"]
    assert kept()["input"].to_list() == [PICTURES[1].input, None]
    assert kept()["original"].isna().to_list() == [True, False]
    assert kept()["original"][1] == "Buy now"
    assert pd.read_parquet(unusable_file(settings, NAME))["request_id"].to_list() == ["unkept", "of nothing"]
    assert len(waiting(settings, NAME)) == 0, "what cannot be used is not waited for either"
    assert "2 corrections; 4 are new, or were changed; 2 more are of inputs that were not" in capsys.readouterr().out


def test_the_same_logs_give_the_same_bytes(settings: Settings) -> None:
    gather_pictures(settings)
    before = file_sha256(CORRECTIONS), file_sha256(unusable_file(settings, NAME))
    run(params(), settings)
    assert (file_sha256(CORRECTIONS), file_sha256(unusable_file(settings, NAME))) == before


def test_what_cannot_be_trained_on_leaves_the_output_as_it_is(settings: Settings) -> None:
    answered(settings, NAME, [*PICTURES, UNKEPT])
    corrected(settings, NAME, PICTURES)
    run(params(), settings)
    before = digest_of(FEEDBACK)
    corrected(settings, NAME, [UNKEPT], minute=5)
    run(params(), settings)
    assert digest_of(FEEDBACK) == before


def test_nothing_is_taken_in_unless_it_is_asked_for(settings: Settings) -> None:
    answered(settings, NAME, PICTURES)
    corrected(settings, NAME, PICTURES[:1])
    run(params(), settings)
    before = digest_of(FEEDBACK)
    corrected(settings, NAME, PICTURES[1:], minute=5)
    run(params(), settings.model_copy(update={"take_feedback": False}))
    assert digest_of(FEEDBACK) == before
    assert len(waiting(settings, NAME)) == 2


def test_the_last_word_holds_and_outlives_the_logs(settings: Settings) -> None:
    gather_pictures(settings)
    shutil.rmtree(predictions_folder(settings, NAME))
    corrected(settings, NAME, [PICTURES[0]._replace(truth="one")], minute=5)
    assert len(waiting(settings, NAME)) == 1
    run(params(), settings)
    found = kept().set_index("request_id")
    assert found["label"].to_dict() == {"picture-0": "one", "picture-1": "seven", "picture-2": "seven"}
    assert found.loc["picture-0", "input"] == PICTURES[0].input
    shutil.rmtree(settings.home)
    run(params(), settings)
    assert len(kept()) == 3


def test_corrections_that_are_withdrawn_are_trained_on_no_more(settings: Settings) -> None:
    answered(settings, NAME, PICTURES)
    corrected(settings, NAME, PICTURES[:2])
    corrected(settings, NAME, PICTURES[2:], minute=5)
    run(params(), settings)
    hour = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert withdraw(settings, NAME, hour, hour + timedelta(minutes=5)) == (2, 0)
    assert withdraw(settings, NAME, hour, hour + timedelta(minutes=5)) == (0, 0)
    assert len(waiting(settings, NAME)) == 2
    run(params(), settings)
    assert kept()["request_id"].to_list() == ["picture-2"]
    corrected(settings, NAME, PICTURES[:1], minute=60 * 24 * 365)
    run(params(), settings)
    assert kept()["request_id"].to_list() == ["picture-2", "picture-0"], "what is said later holds again"


def test_what_is_only_not_checked_out_is_not_begun_anew(settings: Settings) -> None:
    run(params(), settings)
    record(digest_of(FEEDBACK))
    run(params(), settings)
    shutil.rmtree(FEEDBACK)
    with pytest.raises(DataError, match=r"does not exist here, .* `dvc checkout --force data/feedback`"):
        run(params(), settings)


def record(digest: str) -> None:
    """As DVC does when the stage has ended."""
    outs = f"{{md5: {digest}, path: data/feedback}}"
    Path("dvc.lock").write_text(f"schema: '2.0'\nstages:\n  feedback:\n    cmd: x\n    outs: [{outs}]\n")


def test_a_gathering_that_was_killed_before_it_was_recorded_is_gone_on_with(settings: Settings) -> None:
    answered(settings, NAME, PICTURES)
    corrected(settings, NAME, PICTURES[:1])
    run(params(), settings)
    record(digest_of(FEEDBACK))
    corrected(settings, NAME, PICTURES[1:], minute=5)
    run(params(), settings)
    run(params(), settings)
    assert len(kept()) == 3


def test_an_older_state_is_not_gone_on_from(settings: Settings) -> None:
    gather_pictures(settings)
    record("0123456789abcdef0123456789abcdef.dir")  # git brought it from a machine that has gathered since
    with pytest.raises(DataError, match=r"is another state than the one that dvc\.lock records"):
        run(params(), settings)
    assert len(kept()) == 3


def test_what_the_logs_have_forgotten_can_be_withdrawn(settings: Settings) -> None:
    gather_pictures(settings)
    shutil.rmtree(feedback_folder(settings, NAME))
    hour = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert withdraw(settings, NAME, hour, hour + timedelta(hours=1)) == (3, 0)
    run(params(), settings)
    assert len(kept()) == 0


NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def say(settings: Settings, hour: int, truth: str, picture: Said = PICTURES[0]) -> None:
    """Somebody corrects a picture, at noon or hours later."""
    corrected(settings, NAME, [picture._replace(truth=truth)], minute=60 * hour)


def take_back(settings: Settings, hour: int) -> tuple[int, int]:
    """Withdraws an hour: how many corrections, and of how many samples an earlier one holds again."""
    return withdraw(settings, NAME, NOON + hour * HOUR, NOON + (hour + 1) * HOUR)


def holding(settings: Settings) -> list[str]:
    """What is trained on of the first picture; whatever was gathered before, and whatever the log has forgotten."""
    run(params(), settings)
    return [str(label) for label in kept()["label"]]


@pytest.mark.parametrize("gathered_between", [True, False])
def test_what_was_said_before_a_withdrawn_time_holds_again(settings: Settings, gathered_between: bool) -> None:
    answered(settings, NAME, PICTURES)
    say(settings, 0, "right")
    say(settings, 1, "wrong")
    if gathered_between:
        assert holding(settings) == ["wrong"]
    assert take_back(settings, 1) == (1, 1)
    assert holding(settings) == ["right"]
    assert take_back(settings, 1) == (0, 0), "it was withdrawn before"
    assert take_back(settings, 0) == (1, 0), "what holds again has the time at which it was said"
    assert holding(settings) == []


def test_what_holds_again_can_be_withdrawn_when_the_log_has_forgotten_it(settings: Settings) -> None:
    answered(settings, NAME, PICTURES)
    say(settings, 0, "right")
    say(settings, 1, "wrong")
    take_back(settings, 1)
    assert holding(settings) == ["right"]
    shutil.rmtree(feedback_folder(settings, NAME))
    assert take_back(settings, 0) == (1, 0)
    assert holding(settings) == []


def test_what_was_withdrawn_never_holds_again(settings: Settings) -> None:
    answered(settings, NAME, PICTURES)
    for hour, truth in enumerate(["first", "second", "third"]):
        say(settings, hour, truth)
    assert take_back(settings, 1) == (1, 0), "the last one holds as before"
    assert holding(settings) == ["third"]
    assert kept()["time"].to_list() == [NOON + 2 * HOUR], "it is no new one"
    assert take_back(settings, 2) == (1, 1)
    assert holding(settings) == ["first"]


def test_only_what_is_withdrawn_and_what_is_said_after_it_count(settings: Settings) -> None:
    answered(settings, NAME, PICTURES)
    say(settings, 0, "right")
    say(settings, 1, "wrong")
    say(settings, 0, "seven", PICTURES[1])
    assert take_back(settings, 1) == (1, 1)
    say(settings, 24 * 365, "better")
    assert take_back(settings, 0) == (2, 0)
    assert holding(settings) == ["better"]


def test_a_withdrawal_of_before_still_takes_back_all_that_it_did(settings: Settings) -> None:
    answered(settings, NAME, PICTURES)
    say(settings, 0, "first")
    say(settings, 1, "second")
    nothing: Any = None
    corrected(settings, NAME, [PICTURES[0]._replace(truth=nothing)], minute=120)  # as they were written then
    say(settings, 3, "third")
    assert take_back(settings, 3) == (1, 0)
    assert holding(settings) == []


def test_what_was_gathered_before_corrections_had_the_time_of_their_saying_is_read(settings: Settings) -> None:
    gather_pictures(settings)
    for table in (CORRECTIONS, unusable_file(settings, NAME)):
        pq.write_table(pq.read_table(table).drop_columns(["said"]), table)
    run(params(), settings)
    assert len(kept()) == 3
    assert take_back(settings, 0) == (3, 0)
