import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
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
    assert withdraw(settings, NAME, hour, hour + timedelta(minutes=5)) == 2
    assert withdraw(settings, NAME, hour, hour + timedelta(minutes=5)) == 0
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
    assert withdraw(settings, NAME, hour, hour + timedelta(hours=1)) == 3
    run(params(), settings)
    assert len(kept()) == 0
