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
    Verdict,
)
from components.data_profile import DataProfile
from components.errors import DataError, ValidationFailed
from components.params import Params, load_params
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
            "width": 28,
            "height": 28,
            "mean": rng.uniform(20, 200, count),
            "std": rng.uniform(10, 90, count),
            "source": [f"{LABELS[number % 3]}/{number:04}.png" for number in range(count)],
        }
    )


def write(samples: pd.DataFrame, quarantined: int = 0, champion: int | None = None) -> None:
    """What ingest and champion leave behind."""
    INGESTED.mkdir(parents=True, exist_ok=True)
    samples.to_parquet(SAMPLES, index=False)
    rows = [("x", "broken", "y")] * quarantined
    pd.DataFrame(rows, columns=["source", "reason", "detail"], dtype="str").to_parquet(QUARANTINE, index=False)
    Ingested(
        labels=LABELS,
        height=28,
        width=28,
        channels=1,
        samples={"train": 258, "validation": 171, "test": 171},
        quarantined={"broken": quarantined},
        own_test_split=False,
    ).write(INGESTED / "ingested.json")
    ChampionRef(version=champion).write(CHAMPION / "champion.json")


def params(**limits: Any) -> Params:
    default = load_params(REPOSITORY / "params.yaml")
    chosen = {"min_samples_per_class": 50, "max_class_imbalance": 1.5, "max_quarantined_share": 0.01, "max_drift": 0.25}
    changed = default.validate_.model_copy(update=chosen | limits)
    return default.model_copy(update={"validate_": changed})


def refusal(**limits: Any) -> str:
    with pytest.raises(ValidationFailed) as error:
        run(params(**limits), Settings())
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
    assert DataProfile.read(VALIDATED / "profile.json") == DataProfile.of(samples)
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
    "mean": (300.0, "expect_column_values_to_be_between, column mean of samples: observed 300; limit: min_value 0"),
    "std": (-1.0, "column std of samples: observed -1; limit: min_value 0, max_value 127.5"),
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
    samples.loc[1, "mean"] = float("nan")
    samples.loc[2, "std"] = float("inf")
    write(samples)
    sentence = refusal()
    assert "expect_column_values_to_not_be_null, column label of samples" in sentence
    assert "expect_column_values_to_not_be_null, column mean of samples: observed nan" in sentence
    assert "expect_column_values_to_be_between, column std of samples: observed inf" in sentence
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
    samples.loc[:399, "mean"] = 300.0
    write(samples)
    sentence = refusal()
    assert "400 rows" in sentence
    assert sentence.count("mean 300") == 5


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
    DataProfile.of(good_samples().assign(mean=210.0)).write(CHAMPION / "package/profile.json")
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


@pytest.mark.parametrize("column", ["sha256", "label", "std"])
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
    write(good_samples().replace({"mean": {good_samples()["mean"][0]: 300.0}}))
    refusal()
    failed = [check for check in strict_json(REPORT / "validation.json") if not check["holds"]]
    assert [(check["column"], check["rows"]) for check in failed] == [("mean", 1)]
    assert "1 of 35 expectations fail" in (REPORT / "docs/index.html").read_text()


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
    write(good_samples().replace({"mean": {good_samples()["mean"][0]: 300.0}}))
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
