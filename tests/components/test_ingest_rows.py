import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes

from components.contracts import CONTENT, INGESTED, QUARANTINE, REPORTS, SAMPLES, Ingested, IngestedRows
from components.errors import DataError
from components.ingest import candidates
from components.ingest.outliers import tukey_fences
from components.ingest.run import run
from components.params import Params, load_params
from components.params.sections import NumberTableSource, RowIngestParams
from components.settings import Settings
from components.splits import row_sha256, split_of
from tests.places import REPOSITORY

SOURCE = Path("data/rows")
HEADER = ["weight", "length", "colour", "price"]


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params(**source: Any) -> Params:
    chosen = {
        "kind": "table",
        "path": str(SOURCE),
        "train": "train.csv",
        "test": None,
        "target": "price",
        "numeric": ["weight", "length"],
        "categorical": ["colour"],
        "missing": "quarantine",
        "outlier_fences": None,
    }
    ingest = RowIngestParams(
        source=NumberTableSource.model_validate(chosen | source), validation_share=0.15, test_share=0.2
    )
    return load_params(REPOSITORY / "params.yaml").model_copy(update={"ingest": ingest})


def write(rows: list[tuple[Any, ...]], name: str = "train.csv", header: list[str] = HEADER) -> None:
    SOURCE.mkdir(parents=True, exist_ok=True)
    with (SOURCE / name).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def ingest(**source: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Ingested]:
    run(params(**source), Settings())
    tables = pd.read_parquet(SAMPLES), pd.read_parquet(QUARANTINE), pd.read_parquet(CONTENT)
    return *tables, Ingested.read(INGESTED / "ingested.json")


def stones(count: int) -> list[tuple[Any, ...]]:
    """Rows of which no two are the same, and none lies far out."""
    rng = np.random.default_rng(0)
    weights, lengths = rng.uniform(1, 2, count).round(6), rng.uniform(10, 20, count).round(6)
    prices = (100 * weights + lengths).round(2)
    colours = [("red", "green", "blue")[number % 3] for number in range(count)]
    return list(zip(weights.tolist(), lengths.tolist(), colours, prices.tolist(), strict=True))


def told(quarantine: pd.DataFrame) -> dict[int, tuple[str, str]]:
    """Reason and detail by the line of the file."""
    return {int(row.source.split("#")[1]): (row.reason, row.detail) for row in quarantine.itertuples()}


def refusal(**source: Any) -> str:
    with pytest.raises(DataError) as error:
        run(params(**source), Settings())
    assert not INGESTED.exists()
    return str(error.value)


def test_what_the_tables_say(capsys: pytest.CaptureFixture[str]) -> None:
    rows = stones(400)
    write(
        [(price, colour, f"id {n}", length, weight) for n, (weight, length, colour, price) in enumerate(rows)],
        header=["price", "colour", "id", "length", "weight"],
    )
    samples, quarantine, content, ingested = ingest()
    assert quarantine.empty
    assert samples.dtypes.astype(str).to_dict() == {
        "id": "str",
        "sha256": "str",
        "label": "float64",
        "split": "str",
        "source": "str",
        "x.colour": "str",
        "x.weight": "float64",
        "x.length": "float64",
    }
    assert content.columns.tolist() == ["weight", "length", "colour"]
    for name in content:
        assert content[name].tolist() == samples[f"x.{name}"].tolist()
    row = samples.iloc[7]
    assert (row["x.weight"], row["x.length"], row["x.colour"], row["label"]) == rows[7]
    assert row["source"] == "train.csv#0000009"
    assert row["sha256"] == row_sha256({"weight": rows[7][0], "length": rows[7][1], "colour": rows[7][2]})
    assert ingested == Ingested(
        content=IngestedRows(numeric=("weight", "length"), categorical=("colour",), missing="refuse"),
        labels=None,
        label_name="price",
        summaries=("x.weight", "x.length"),
        samples=ingested.samples,
        quarantined={},
        own_test_split=False,
    )
    assert abs(ingested.samples["test"] / 400 - 0.2) < 0.06
    assert "400 samples: " in capsys.readouterr().out


def test_what_is_no_sample_goes_to_quarantine_with_its_reason() -> None:
    good = stones(40)
    weight, length, colour, price = good[3]
    write(
        [
            *good,
            ("heavy", 1, "red", 1),
            (1, "1,5", "red", 1),
            (1, "inf", "red", 1),
            (1, "NA", "red", 1),
            ("", 1, "red", 1),
            (1, 1, " ", 1),
            (1, 1, "caf\udce9", 1),
            (1, 1, "red", ""),
            (1, 1, "red", "free"),
            (1, 1, "red"),
            good[3],
            (f" {weight}0", length, f" {colour} ", price),
            (weight, length, colour, 77),
        ]
    )
    samples, quarantine, content, ingested = ingest()
    assert told(quarantine) == {
        42: ("type", "weight is 'heavy', which is no number"),
        43: ("type", "length is '1,5', which is no number"),
        44: ("type", "length is 'inf', which is infinite in 32 bits"),
        45: ("missing", "length is 'NA'"),
        46: ("missing", "weight is empty"),
        47: ("missing", "colour is empty"),
        48: ("encoding", "colour: its bytes are no UTF-8 at character 4: 'caf\\udce9'"),
        49: ("missing", "price is empty"),
        50: ("type", "price is 'free', which is no number"),
        51: ("broken", "it has 3 fields, and the header 4"),
        52: ("duplicate", "the same row as train.csv#0000005"),
        53: ("duplicate", "the same row as train.csv#0000005"),
    }
    assert len(samples) == len(content) == 41
    twins = samples[samples["sha256"] == samples["sha256"][3]]
    assert twins["label"].tolist() == [price, 77]
    assert twins["split"].nunique() == 1, "the same features never straddle two splits"
    assert twins["id"].tolist() == [twins["sha256"].iloc[0][:16], f"{twins['sha256'].iloc[0][:16]}-1"]
    assert ingested.quarantined == {"broken": 1, "duplicate": 2, "encoding": 1, "missing": 4, "type": 4}


def test_numbers_that_are_missing_may_be_imputed_later() -> None:
    write([*stones(40), ("", 1, "red", 1), (1, "NaN", "red", 1), (1, 1, "", 1), (1, 1, "red", "NA")])
    samples, quarantine, content, _ = ingest(missing="impute")
    assert told(quarantine) == {44: ("missing", "colour is empty"), 45: ("missing", "price is 'NA'")}
    assert len(content) == 42
    assert math.isnan(content["weight"][40])
    assert math.isnan(samples["x.length"][41])
    page = (REPORTS / "ingest/summary.md").read_text()
    assert "| `weight` | 41 | 1 | " in page


def test_the_page_shows_quartiles_and_categories() -> None:
    write([(number, number - 200, f"colour {number % 25}", number / 2) for number in range(101)])
    ingest()
    page = (REPORTS / "ingest/summary.md").read_text()
    assert "Rows of 2 numbers and 1 categories, with `price`." in page
    assert "| number | count | missing | min | 25 % | median | 75 % | max |" in page
    assert "| `price` | 101 | 0 | 0 | 12.5 | 25 | 37.5 | 50 |" in page
    assert "| `weight` | 101 | 0 | 0 | 25 | 50 | 75 | 100 |" in page
    assert "| `length` | 101 | 0 | -200 | -175 | -150 | -125 | -100 |" in page
    assert "| `colour 0` | 5 |\n| `colour 1` | 4 |" in page
    assert "| and 5 more | 20 |" in page
    assert "| train | validation | test |" in page


def test_fences_are_those_of_tukey() -> None:
    numbers = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, math.nan, 1000])
    low, high = tukey_fences(numbers, 1.5)
    assert (low, high) == (3 - 1.5 * 4, 7 + 1.5 * 4)
    assert tukey_fences(np.array([0.0] * 80 + [1.0] * 20), 3) == (-math.inf, math.inf)
    assert tukey_fences(np.array([math.nan]), 3) == (-math.inf, math.inf)


def test_outliers_go_to_quarantine_but_none_of_the_test_split() -> None:
    far = [(50 + number / 100, 15, "red", 115) for number in range(40)]
    rows = [*stones(400), *far, (1.5, -300, "red", 115), (1.5, 15.5, "red", 1e6), ("", 15, "red", 1)]
    write(rows)
    hashes = [row_sha256({"weight": float(w or "nan"), "length": float(n), "colour": c}) for w, n, c, _ in rows]
    tested = np.array([split_of(digest, 0.2, 0.15) == "test" for digest in hashes])
    assert 0 < tested[400:440].sum() < 40
    weights = np.array([float(weight or "nan") for weight, _, _, _ in rows])
    low, high = tukey_fences(weights[~tested], 3)
    expected = np.flatnonzero(~tested & ([False] * 400 + [True] * 42 + [False])) + 2
    samples, quarantine, _, _ = ingest(outlier_fences=3.0, missing="impute")
    found = told(quarantine)
    assert sorted(found) == expected.tolist()
    assert found[expected[0]] == (
        "outlier",
        f"weight is {weights[expected[0] - 2]:.6g}; its fences are {low:.6g} and {high:.6g}",
    )
    assert set(samples.loc[samples["x.weight"] >= 50, "split"]) == {"test"}
    assert samples["x.weight"].isna().sum() == 1, "what is missing is no outlier"


def test_the_test_split_decides_on_no_fence() -> None:
    write(stones(200))
    write([(1000 + number, 15, "red", 1) for number in range(200)], "test.csv")
    samples, quarantine, _, _ = ingest(test="test.csv", outlier_fences=1.5)
    assert quarantine.empty
    write([*stones(200), (1000, 16, "red", 115)])
    samples, quarantine, _, _ = ingest(test="test.csv", outlier_fences=1.5)
    assert told(quarantine)[202][1].startswith("weight is 1000; its fences are ")
    assert (samples["split"] == "test").sum() == 200


def test_a_test_split_of_the_sources_own_is_kept_whole_and_no_features_of_it_are_in_train() -> None:
    rows = stones(60)
    weight, length, colour, price = rows[4]
    write([*rows[20:], rows[3], (weight, length, colour, price + 1), (1.5, 1, "red", 5), (1.5, 1, "red", 5)])
    write([*rows[:20], rows[0], (rows[1][0], rows[1][1], rows[1][2], 7)], "test.csv")
    samples, quarantine, _, ingested = ingest(test="test.csv")
    assert ingested.samples["test"] == 22
    assert told(quarantine) == {
        42: ("duplicate", "the same row as test.csv#0000005"),
        43: ("duplicate", "the same features as test.csv#0000006, a row of the test split"),
        45: ("duplicate", "the same row as train.csv#0000044"),
    }
    assert samples.groupby("sha256")["split"].nunique().max() == 1
    assert samples["id"].is_unique


def test_a_row_keeps_its_id_and_split_whatever_the_file_and_the_order_of_the_columns() -> None:
    write(stones(200))
    before, _, _, _ = ingest()
    frame = pd.read_csv(SOURCE / "train.csv")[::-2].assign(more=True)[["price", "more", "colour", "length", "weight"]]
    frame.astype({"colour": "category"}).to_parquet(SOURCE / "train.parquet", index=False)
    after, _, _, _ = ingest(train="train.parquet", numeric=["length", "weight"])
    both = before.merge(after, on="id", suffixes=("", "_after"))
    assert len(both) == len(after) == 100
    for column in ("split", "label", "sha256", "x.weight"):
        assert (both[column] == both[f"{column}_after"]).all()


def test_the_same_source_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    write([*stones(100), *stones(5), ("", 1, "red", 1), (99, 1, "red", 1)])

    def outputs() -> dict[str, bytes]:
        run(params(outlier_fences=3.0, missing="impute"), Settings())
        return {path.name: path.read_bytes() for path in INGESTED.iterdir()}

    first = outputs()
    assert sorted(first) == ["content.parquet", "ingested.json", "quarantine.parquet", "samples.parquet"]
    monkeypatch.setattr(candidates, "PIECE", 7)
    assert outputs() == first


def test_real_rows() -> None:
    """scikit-learn's diabetes progressions: 442 patients, ten numbers each."""
    data = load_diabetes(as_frame=True, scaled=False)
    SOURCE.mkdir(parents=True)
    data.frame.to_csv(SOURCE / "train.csv", index=False)
    names = list(data.feature_names)
    samples, quarantine, content, _ = ingest(target="target", numeric=names, categorical=[], outlier_fences=3.0)
    assert len(samples) + len(quarantine) == 442
    assert set(quarantine["reason"]) <= {"outlier"}
    assert len(quarantine) < 10
    assert content.columns.tolist() == names
    merged = data.frame.merge(content.assign(target=samples["label"]))
    assert len(merged) == len(samples)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            {"target": "prize"},
            "has no column 'prize'; its columns: weight, length, colour, price. Did you mean 'price'?",
        ),
        ({"numeric": ["wieght"]}, "has no column 'wieght'; its columns: weight, length, colour, price."),
        ({"numeric": ["colour"], "categorical": []}, "holds no sample that can be used; by reason: {'type': 40}"),
        ({"train": "none.csv"}, "holds no file none.csv; its tables: train.csv."),
    ],
)
def test_what_cannot_be_used_is_told(source: dict[str, Any], sentence: str) -> None:
    write(stones(40))
    assert sentence in refusal(**source)


def test_too_many_categories_are_told() -> None:
    write([(number, 1, f"colour {number}", 1) for number in range(1001)])
    assert "column 'colour' holds 1001 different categories; at most 1000 are taken" in refusal()


CELLS = st.sampled_from(["1", "2", "2.0", "-0", "0", "x", "", "NA", "1e40", "\udcff"])
ROWS = st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["red", " red", "blue", "", "\udcff"]), CELLS), max_size=15)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(train=ROWS, test=ROWS, missing=st.sampled_from(["impute", "quarantine"]), fences=st.sampled_from([None, 0.5]))
def test_nothing_is_lost_and_no_features_are_in_two_splits(
    train: list[tuple[str, ...]],
    test: list[tuple[str, ...]],
    missing: str,
    fences: float | None,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("rows"))
    write([(7, 7, "green", 7), *train])
    write(list(test), "test.csv")
    for own_test in (None, "test.csv"):
        samples, quarantine, content, ingested = ingest(test=own_test, missing=missing, outlier_fences=fences)
        assert len(samples) + len(quarantine) == 1 + len(train) + (len(test) if own_test else 0)
        assert len(content) == len(samples) == sum(ingested.samples.values())
        assert samples["id"].is_unique
        assert samples.groupby("sha256")["split"].nunique().max() == 1
        assert np.isfinite(samples["label"]).all()
        assert not np.isinf(samples[["x.weight", "x.length"]].to_numpy(np.float64)).any()
        named = [row_sha256(row) for row in content.to_dict("records")]
        assert named == samples["sha256"].tolist()
        outside = samples[samples["split"] != "test"]
        assert not outside.duplicated(["sha256", "label"]).any()
        assert "duplicate" not in set(quarantine.loc[quarantine["source"].str.startswith("test"), "reason"])
