import hashlib
import json
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.contracts import (
    CHAMPION,
    INGESTED,
    QUARANTINE,
    REPORTS,
    SAMPLES,
    SPLITS,
    VALIDATED,
    ChampionRef,
    Ingested,
    IngestedImages,
    IngestedRows,
    IngestedTexts,
    Verdict,
)
from components.data_profile import DataProfile
from components.errors import DataError, ValidationFailed
from components.files import write_json
from components.params import Params, load_params
from components.params.sections import RegressionValidateParams
from components.settings import Settings
from components.validate.run import run
from tests.places import REPOSITORY

LABELS = ("cat", "dog", "emu")
REPORT = REPORTS / "validate"


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def good_samples(count: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sha256 = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    return pd.DataFrame(
        {
            "id": [digest[:16] for digest in sha256],
            "sha256": sha256,
            "label": [LABELS[number % 3] for number in range(count)],
            "split": [SPLITS[number % 7 % 3] for number in range(count)],
            "source": [f"{LABELS[number % 3]}/{number:04}.png" for number in range(count)],
            "width": 28,
            "height": 28,
            "brightness": rng.uniform(20, 200, count),
            "contrast": rng.uniform(10, 90, count),
        }
    )


IMAGES = Ingested(
    content=IngestedImages(height=28, width=28, channels=1),
    labels=LABELS,
    label_name="label",
    summaries=("brightness", "contrast"),
    samples={"train": 258, "validation": 171, "test": 171},
    quarantined={},
    own_test_split=False,
)
TEXTS = IMAGES.model_copy(update={"content": IngestedTexts(), "summaries": ("characters", "words")})
ROWS = IMAGES.model_copy(
    update={
        "content": IngestedRows(numeric=("weight", "length"), categorical=("colour",), missing="refuse"),
        "labels": None,
        "label_name": "price",
        "summaries": ("x.weight", "x.length"),
    }
)


def good_texts() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = rng.integers(1, 200, 600).astype(float)
    images = good_samples().drop(columns=["width", "height", "brightness", "contrast"])
    return images.assign(characters=words * 5, words=words)


def good_rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    fixed = good_samples()[["id", "sha256", "label", "split", "source"]]
    return fixed.assign(
        **{
            "label": rng.normal(1000, 200, 600),
            "x.colour": rng.choice(["red", "green"], 600),
            "x.weight": rng.normal(5, 1, 600),
            "x.length": rng.normal(-5, 1, 600),
        }
    )


def write(
    samples: pd.DataFrame, quarantined: int = 0, champion: int | None = None, ingested: Ingested = IMAGES
) -> None:
    """What ingest and champion leave behind."""
    INGESTED.mkdir(parents=True, exist_ok=True)
    samples.to_parquet(SAMPLES, index=False)
    rows = [("x", "broken", "y")] * quarantined
    pd.DataFrame(rows, columns=["source", "reason", "detail"], dtype="str").to_parquet(QUARANTINE, index=False)
    ingested.model_copy(update={"quarantined": {"broken": quarantined}}).write(INGESTED / "ingested.json")
    ChampionRef(version=champion).write(CHAMPION / "champion.json")


def params(**limits: Any) -> Params:
    default = load_params(REPOSITORY / "params.yaml")
    chosen = {"min_samples_per_class": 50, "max_class_imbalance": 1.5, "max_quarantined_share": 0.01, "max_drift": 0.25}
    changed = default.validate_.model_copy(update=chosen | limits)
    return default.model_copy(update={"validate_": changed})


def row_params(**limits: Any) -> Params:
    chosen = {"min_samples": 200, "max_quarantined_share": 0.01, "max_drift": 0.25} | limits
    return params().model_copy(update={"validate_": RegressionValidateParams.model_validate(chosen)})


def refusal(given: Params | None = None, **limits: Any) -> str:
    with pytest.raises(ValidationFailed) as error:
        run(given or params(**limits), Settings())
    assert not VALIDATED.exists()
    return str(error.value)


def strict_json(path: Path) -> Any:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(path.read_text(), parse_constant=no_constant)


def test_good_data_passes(capsys: pytest.CaptureFixture[str]) -> None:
    samples = good_samples()
    write(samples)
    run(params(), Settings())
    verdict = Verdict.read(VALIDATED / "verdict.json")
    assert verdict.samples_sha256 == hashlib.sha256(SAMPLES.read_bytes()).hexdigest()
    checks = strict_json(REPORT / "validation.json")
    assert verdict.expectations == len(checks) > 30
    assert all(check["holds"] for check in checks)
    assert DataProfile.read(VALIDATED / "profile.json") == DataProfile.of(samples, IMAGES)
    told = capsys.readouterr()
    assert "expectations hold for 600 samples; no champion to compare with." in told.out
    assert "Calculating Metrics" not in told.err


def test_the_verdict_depends_on_the_data_alone() -> None:
    write(good_samples())
    run(params(), Settings())
    before = {path.name: path.read_bytes() for path in VALIDATED.iterdir()}
    write(good_samples(), champion=3)
    DataProfile.read(VALIDATED / "profile.json").write(CHAMPION / "package/profile.json")
    run(params(), Settings())
    assert {path.name: path.read_bytes() for path in VALIDATED.iterdir()} == before
    drifts = [check for check in strict_json(REPORT / "validation.json") if str(check["column"]).startswith("drift")]
    assert {check["column"]: check["observed"] for check in drifts} == {
        "drift_of_labels": "0",
        "drift_of_brightness": "0",
        "drift_of_contrast": "0",
    }


BROKEN = {
    "brightness": (300.0, "expect_column_values_to_be_between, column brightness of samples: observed 300; limit: min"),
    "contrast": (-1.0, "column contrast of samples: observed -1; limit: min_value 0, max_value 127.5"),
    "width": (0, "column width of samples: observed 0; limit: min_value 1"),
    "height": (-3, "column height of samples: observed -3; limit: min_value 1"),
    "label": ("cow", "expect_column_values_to_be_in_set, column label of samples: observed cow; limit: value_set"),
    "split": ("holdout", "expect_column_values_to_be_in_set, column split of samples: observed holdout"),
    "sha256": ("AB", "expect_column_values_to_match_regex, column sha256 of samples: observed AB"),
}


def test_each_row_that_breaks_an_expectation_is_named() -> None:
    samples = good_samples()
    for row, (column, (value, _)) in enumerate(BROKEN.items()):
        samples.loc[row, column] = value
    write(samples)
    sentence = refusal()
    assert sentence.startswith("7 of 35 expectations about the data do not hold; nothing is trained on it.")
    assert "See reports/validate/docs/index.html." in sentence
    for row, (column, (_, told)) in enumerate(BROKEN.items()):
        assert told in sentence
        named = f"id {samples['id'][row]}, source {samples['source'][row]}"
        assert re.search(rf"1 row: {column} [^,]+, {named}", sentence)
    strict_json(REPORT / "validation.json")


def test_what_is_missing_or_no_number_is_named() -> None:
    samples = good_samples()
    samples.loc[0, "label"] = None
    samples.loc[1, "brightness"] = float("nan")
    samples.loc[2, "contrast"] = float("inf")
    write(samples)
    sentence = refusal()
    assert "expect_column_values_to_not_be_null, column label of samples" in sentence
    assert "expect_column_values_to_not_be_null, column brightness of samples: observed nan" in sentence
    assert "expect_column_values_to_be_between, column contrast of samples: observed inf" in sentence
    for row in range(3):
        assert f"source {samples['source'][row]}" in sentence
    strict_json(REPORT / "validation.json")


def test_ids_that_repeat_are_named() -> None:
    samples = good_samples()
    samples.loc[1, "id"] = samples.loc[0, "id"]
    write(samples)
    sentence = refusal()
    assert "expect_column_values_to_be_unique, column id of samples" in sentence
    assert "2 rows" in sentence
    assert "source dog/0001.png" in sentence


def test_content_in_two_splits_is_named() -> None:
    samples = good_samples()
    samples.loc[1, "sha256"] = samples.loc[0, "sha256"]
    write(samples)
    sentence = refusal()
    assert "column splits_of_content of samples: observed 2, 2; limit: min_value 1, max_value 1" in sentence
    assert "source cat/0000.png" in sentence
    assert "source dog/0001.png" in sentence


def test_content_twice_in_one_split_is_allowed() -> None:
    samples = good_samples()
    samples.loc[7, "sha256"] = samples.loc[0, "sha256"]
    assert samples.loc[7, "split"] == samples.loc[0, "split"]
    write(samples)
    run(params(), Settings())


def test_only_the_first_of_many_rows_are_shown() -> None:
    samples = good_samples()
    samples.loc[:399, "brightness"] = 300.0
    write(samples)
    sentence = refusal()
    assert "400 rows" in sentence
    assert sentence.count("brightness 300") == 5


def test_a_class_with_too_few_samples_and_a_class_without_any() -> None:
    samples = good_samples()
    write(samples[(samples["label"] != "emu")])
    sentence = refusal(min_samples_per_class=80)
    assert (
        "column train_samples of classes: observed 0; limit: min_value 80 (validate.min_samples_per_class)" in sentence
    )
    assert "1 row: train_samples 0, label emu" in sentence
    assert "largest_class_over_this of classes: observed inf; limit: max_value 1.5" in sentence
    assert "expect_table_row_count_to_equal, table samples: observed 400; limit: value 600" in sentence


def test_imbalance_is_told() -> None:
    samples = good_samples()
    rare = samples.index[(samples["label"] == "emu") & (samples["split"] == "train")]
    write(samples.drop(index=rare[: len(rare) // 2]))
    assert "1 row: largest_class_over_this 2.07143, label emu" in refusal(max_class_imbalance=1.9)


def test_an_empty_split_is_told() -> None:
    samples = good_samples()
    write(samples.assign(split=samples["split"].replace("validation", "train")))
    assert "column validation_samples of dataset: observed 0; limit: min_value 1" in refusal()


def test_too_much_quarantine_is_told() -> None:
    write(good_samples(), quarantined=150)
    told = "column quarantined_share of dataset: observed 0.2; limit: max_value 0.01 (validate.max_quarantined_share)"
    assert told in refusal()
    run(params(max_quarantined_share=0.2), Settings())


def test_drift_against_the_champions_data_is_told() -> None:
    write(good_samples(), champion=7)
    DataProfile.of(good_samples().assign(brightness=210.0), IMAGES).write(CHAMPION / "package/profile.json")
    sentence = refusal()
    assert re.search(
        r"column drift_of_brightness of dataset: observed \d.*max_value 0.25 \(validate.max_drift\)", sentence
    )
    assert "drift_of_labels" not in sentence
    assert "compared with the data of champion version 7" in (REPORT / "docs/index.html").read_text()


def test_a_champion_without_a_profile_is_told() -> None:
    write(good_samples(), champion=7)
    with pytest.raises(DataError, match="champion version 7 holds no profile"):
        run(params(), Settings())


def test_a_champion_with_a_profile_of_another_shape_is_told() -> None:
    write(good_samples(), champion=7)
    write_json(
        CHAMPION / "package/profile.json", {"samples": 1, "labels": {"a": 1}, "brightness": [1], "contrast": [1]}
    )
    with pytest.raises(DataError, match=r"profile\.json of champion version 7 is of another shape than today's"):
        run(params(), Settings())


@pytest.mark.parametrize("column", ["sha256", "label", "contrast"])
def test_a_missing_column_is_told(column: str) -> None:
    write(good_samples().drop(columns=column))
    sentence = refusal()
    assert "expect_table_columns_to_match_set, table samples" in sentence
    assert f'column {column} of samples: observed Error: The column "{column}" in BatchData does not exist.' in sentence


def test_a_column_too_many_and_one_of_another_type_are_told() -> None:
    write(good_samples().assign(extra=1, width=28.0))
    sentence = refusal()
    assert "'extra'" in sentence
    assert (
        "expect_column_values_to_be_of_type, column width of samples: observed float64; limit: type_ int64" in sentence
    )


def test_a_failure_takes_back_the_verdict_and_leaves_the_report() -> None:
    write(good_samples())
    run(params(), Settings())
    write(good_samples().replace({"brightness": {good_samples()["brightness"][0]: 300.0}}))
    refusal()
    failed = [check for check in strict_json(REPORT / "validation.json") if not check["holds"]]
    assert [(check["column"], check["rows"]) for check in failed] == [("brightness", 1)]
    assert "1 of 35 expectations fail" in (REPORT / "docs/index.html").read_text()


def test_good_texts_pass(capsys: pytest.CaptureFixture[str]) -> None:
    write(good_texts(), ingested=TEXTS)
    run(params(), Settings())
    assert DataProfile.read(VALIDATED / "profile.json") == DataProfile.of(good_texts(), TEXTS)
    tables = {check["table"] for check in strict_json(REPORT / "validation.json")}
    assert tables == {"samples", "classes", "dataset"}
    assert "expectations hold for 600 samples" in capsys.readouterr().out


def test_texts_that_break_expectations_are_named() -> None:
    samples = good_texts()
    samples.loc[0, "characters"] = 0.0
    samples.loc[1, "words"] = float("nan")
    samples.loc[2, "label"] = "cow"
    write(samples, ingested=TEXTS)
    sentence = refusal()
    assert sentence.startswith("3 of ")
    assert "column characters of samples: observed 0; limit: min_value 1" in sentence
    assert "expect_column_values_to_not_be_null, column words of samples" in sentence
    assert "expect_column_values_to_be_in_set, column label of samples: observed cow" in sentence


def test_good_rows_pass_numbers_that_are_missing_among_them() -> None:
    samples = good_rows()
    samples.loc[:99, "x.weight"] = np.nan
    write(samples, ingested=ROWS)
    run(row_params(), Settings())
    profile = DataProfile.read(VALIDATED / "profile.json")
    assert profile == DataProfile.of(samples, ROWS)
    checks = strict_json(REPORT / "validation.json")
    assert {check["table"] for check in checks} == {"samples", "columns", "dataset"}
    assert Verdict.read(VALIDATED / "verdict.json").expectations == len(checks)
    assert (REPORT / "docs/columns.html").exists()


def test_rows_that_break_expectations_are_named() -> None:
    samples = good_rows()
    samples.loc[0, "label"] = float("inf")
    samples.loc[1, "x.weight"] = -float("inf")
    samples.loc[2, "x.colour"] = None
    samples.loc[3, "label"] = float("nan")
    samples.loc[8, "sha256"] = samples.loc[0, "sha256"]
    write(samples, ingested=ROWS)
    sentence = refusal(row_params())
    assert "expect_column_values_to_be_between, column label of samples: observed inf" in sentence
    assert "column x.weight of samples: observed -inf" in sentence
    assert "expect_column_values_to_not_be_null, column x.colour of samples" in sentence
    assert "expect_column_values_to_not_be_null, column label of samples: observed nan" in sentence
    assert "column splits_of_content of samples: observed 2, 2" in sentence
    assert sentence.startswith("5 of ")
    strict_json(REPORT / "validation.json")


def test_too_few_rows_a_constant_target_and_a_column_without_numbers_are_told() -> None:
    train = good_rows()["split"] == "train"
    samples = good_rows().assign(**{"label": good_rows()["label"].mask(train, 7.0)})
    samples["x.length"] = samples["x.length"].mask(train)
    write(samples, ingested=ROWS)
    sentence = refusal(row_params(min_samples=1000))
    assert (
        f"column train_samples of dataset: observed {train.sum()}; limit: min_value 1000 (validate.min_samples)"
        in sentence
    )
    assert "column train_label_values of dataset: observed 1; limit: min_value 2" in sentence
    assert "column train_numbers of columns: observed 0; limit: min_value 1" in sentence
    assert "1 row: train_numbers 0, column length" in sentence
    assert sentence.startswith("3 of ")


def test_drift_of_rows_is_told_for_labels_numbers_and_categories() -> None:
    write(good_rows(), champion=7, ingested=ROWS)
    before = good_rows().assign(**{"x.colour": "red", "x.length": good_rows()["x.length"] + 3})
    before["label"] += 1000
    DataProfile.of(before, ROWS).write(CHAMPION / "package/profile.json")
    sentence = refusal(row_params())
    for column in ("labels", "x.colour", "x.length"):
        assert f"column drift_of_{column} of dataset: observed " in sentence
    assert sentence.startswith("3 of ")


def test_the_pages_load_nothing_run_nothing_and_escape_the_data() -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>&amp;'
    samples = good_samples()
    samples.loc[0, ["source", "label"]] = evil
    write(samples)
    refusal()
    pages = {path.name: path.read_text() for path in (REPORT / "docs").iterdir()}
    assert sorted(pages) == ["classes.html", "dataset.html", "index.html", "samples.html"]
    for page in pages.values():
        assert "default-src 'none'" in page.replace("&#39;", "'")
        assert not re.search(r"<(script|img|link|iframe|form)\b", page)
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "&lt;script&gt;alert(1)" in pages["index.html"]
    assert "&lt;script&gt;alert(1)" in pages["samples.html"]
    assert 'href="samples.html"' in pages["index.html"]
    assert 'href="index.html"' in pages["samples.html"]


@pytest.mark.slow
def test_the_stage_as_a_process_tells_a_sentence_and_talks_to_nobody(workspace: Path) -> None:
    write(good_samples().replace({"brightness": {good_samples()["brightness"][0]: 300.0}}))
    for name in ("params.yaml", "dvc.yaml"):
        (workspace / name).write_text((REPOSITORY / name).read_text())
    (workspace / "components").symlink_to(REPOSITORY / "components")
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        threading.Thread(target=lambda: calls.append(proxy.accept()), daemon=True).start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "components.validate"],
            env={"HTTP_PROXY": address, "HTTPS_PROXY": address, "PATH": "/usr/bin:/bin", "HOME": str(workspace)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("validate: ")
    assert "Traceback" not in done.stderr
    assert calls == []
