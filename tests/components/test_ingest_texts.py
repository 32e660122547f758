import csv
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.contracts import CONTENT, INGESTED, QUARANTINE, REPORTS, SAMPLES, Ingested, IngestedTexts
from components.errors import DataError
from components.ingest import candidates, text_content
from components.ingest.run import run
from components.params import Params, load_params
from components.params.sections import TextIngestParams, TextTableSource
from components.settings import Settings
from components.splits import text_sha256
from tests.places import REPOSITORY

SOURCE = Path("data/texts")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params(**source: Any) -> Params:
    chosen = {
        "kind": "text_table",
        "path": str(SOURCE),
        "train": "train.csv",
        "test": None,
        "text": "text",
        "label": "label",
        "min_characters": 2,
        "max_characters": 2000,
    }
    ingest = TextIngestParams(
        source=TextTableSource.model_validate(chosen | source), validation_share=0.15, test_share=0.2
    )
    return load_params(REPOSITORY / "params.yaml").model_copy(update={"ingest": ingest})


def write(rows: list[tuple[str | bytes, str]], name: str = "train.csv") -> None:
    """Writes a CSV file; bytes need not be UTF-8."""
    SOURCE.mkdir(parents=True, exist_ok=True)
    with (SOURCE / name).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        texts = [text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text for text, _ in rows]
        csv.writer(file).writerows([("text", "label"), *zip(texts, [label for _, label in rows], strict=True)])


def ingest(**source: Any) -> tuple[pd.DataFrame, pd.DataFrame, list[str], Ingested]:
    run(params(**source), Settings())
    content = pq.read_table(CONTENT)
    assert content.column_names == ["text"]
    tables = pd.read_parquet(SAMPLES), pd.read_parquet(QUARANTINE)
    return *tables, content["text"].to_pylist(), Ingested.read(INGESTED / "ingested.json")


def messages(count: int) -> list[tuple[str | bytes, str]]:
    """Texts of which no two are the same, of two labels."""
    return [(f"Message number {number}, and that is all.", "ham" if number % 3 else "spam") for number in range(count)]


def refusal(**source: Any) -> str:
    with pytest.raises(DataError) as error:
        run(params(**source), Settings())
    assert not INGESTED.exists()
    return str(error.value)


def test_what_the_tables_say(capsys: pytest.CaptureFixture[str]) -> None:
    write(messages(600))
    samples, quarantine, texts, ingested = ingest()
    assert quarantine.empty
    assert samples.columns.tolist() == ["id", "sha256", "label", "split", "source", "characters", "words"]
    assert samples.dtypes.astype(str).to_dict() == dict.fromkeys(
        ("id", "sha256", "label", "split", "source"), "str"
    ) | dict.fromkeys(("characters", "words"), "float64")
    row = samples.iloc[7]
    assert texts[7] == "Message number 7, and that is all."
    assert (row["label"], row["source"], row["characters"], row["words"]) == ("ham", "train.csv#0000009", 34, 7)
    assert row["sha256"] == text_sha256(texts[7])
    assert row["id"] == row["sha256"][:16]
    assert ingested == Ingested(
        content=IngestedTexts(),
        labels=("ham", "spam"),
        label_name="label",
        summaries=("characters", "words"),
        samples=ingested.samples,
        quarantined={},
        own_test_split=False,
    )
    assert abs(ingested.samples["test"] / 600 - 0.2) < 0.05
    assert abs(ingested.samples["validation"] / 600 - 0.8 * 0.15) < 0.05
    assert "600 samples of 2 classes: " in capsys.readouterr().out


def test_what_is_no_sample_goes_to_quarantine_with_its_reason() -> None:
    write(
        [
            *messages(30),
            (b"caf\xe9 au lait", "ham"),
            ("lost \ufffd letter", "ham"),
            ("cafÃ© au lait", "ham"),
            ("nul \0", "ham"),
            ("", "ham"),
            (" \n\t", "ham"),
            ("x", "ham"),
            ("y" * 2001, "ham"),
            ("nobody said what this is", " "),
            ("nobody knows what this is", "\x1b[31m"),
            ("  Message number 5,   and that is all.", "ham"),
            ("Message number 6, and\nthat is all.", "ham"),
            ("Message number 6, and that is all. ", "ham"),
            ("Cafe\u0301 au lait", "ham"),
            ("Caf\u00e9 au  lait", "spam"),
        ]
    )
    samples, quarantine, texts, ingested = ingest()
    told = {int(row.source.split("#")[1]): (row.reason, row.detail) for row in quarantine.itertuples()}
    assert told == {
        8: ("conflict", "the same text is found as spam (train.csv#0000008), ham (train.csv#0000043)"),
        32: ("encoding", "text: its bytes are no UTF-8 at character 4: 'caf\\udce9 au lait'"),
        33: (
            "encoding",
            "text: it holds the sign for a letter that was lost (U+FFFD) at character 6: 'lost \ufffd letter'",
        ),
        34: ("encoding", "text: it is UTF-8 that was once read in another encoding at character 4: 'cafÃ© au lait'"),
        35: ("encoding", "text: it holds a NUL at character 5: 'nul \\x00'"),
        36: ("empty", "text is empty"),
        37: ("empty", "text is empty"),
        39: ("too_short", "1 characters; ingest.source.min_characters is 2"),
        40: ("too_long", "2001 characters; ingest.source.max_characters is 2000"),
        41: ("unlabelled", "label is empty"),
        42: ("unlabelled", "label is '\\x1b[31m'; a name has at most 200 printable characters"),
        43: ("duplicate", "the same text as train.csv#0000007"),
        44: ("conflict", "the same text is found as spam (train.csv#0000008), ham (train.csv#0000044)"),
        46: ("conflict", "the same text is found as spam (train.csv#0000008), ham (train.csv#0000044)"),
        47: ("conflict", "the same text is found as ham (train.csv#0000047), spam (train.csv#0000048)"),
        48: ("conflict", "the same text is found as ham (train.csv#0000047), spam (train.csv#0000048)"),
    } | {8: told[8]}
    assert told[8][0] == "conflict"
    assert len(samples) == len(texts) == 29
    assert samples["sha256"].is_unique
    assert ingested.quarantined == {
        "conflict": 5,
        "duplicate": 1,
        "empty": 2,
        "encoding": 4,
        "too_long": 1,
        "too_short": 1,
        "unlabelled": 2,
    }
    page = (REPORTS / "ingest/summary.md").read_text()
    assert page.startswith("# 29 samples, 16 in quarantine")
    assert "Texts, as they are. The source has splits by the hash of each sample's content." in page
    assert "| `characters` | 29 | 0 | 34 | " in page
    assert "In quarantine: 5 conflict, 1 duplicate, 2 empty, 4 encoding, 1 too_long, 1 too_short, 2 unlabelled." in page
    assert "- unlabelled: `train.csv#0000042`: `label is '\\x1b[31m'" in page


def test_texts_are_kept_as_they_are() -> None:
    kept = ["  two  spaces\n and a line ", "Cafe\u0301", "naïve – 20 £", "日本語", 'a "quote", a comma']
    write([*((text, "ham") for text in kept), ("other", "spam")])
    _, quarantine, texts, _ = ingest()
    assert quarantine.empty
    assert texts == [*(unicodedata.normalize("NFC", text) for text in kept), "other"]


def test_a_test_split_of_the_sources_own_is_kept_whole_and_nothing_of_it_is_in_train() -> None:
    ours = messages(60)
    twice = ("the same in the test split", "ham")
    write([*ours[20:], twice, ("MESSAGE", "ham"), ours[3], (ours[4][0], "spam"), ("  " + str(ours[5][0]), ours[5][1])])
    write([*ours[:20], twice, twice, ("under two labels", "ham"), ("under two labels", "spam")], "test.csv")
    samples, quarantine, texts, ingested = ingest(test="test.csv")
    assert ingested.own_test_split
    test = samples["split"] == "test"
    assert samples.loc[test, "source"].tolist() == [f"test.csv#{line:07}" for line in range(2, 26)]
    assert [texts[row] for row in samples.index[test]][:20] == [text for text, _ in ours[:20]]
    told = {int(row.source.split("#")[1]): (row.reason, row.detail) for row in quarantine.itertuples()}
    assert told == {
        42: ("duplicate", "the same text as test.csv#0000022"),
        44: ("duplicate", "the same text as test.csv#0000005"),
        45: ("conflict", "the same text is found as ham (test.csv#0000006), spam (train.csv#0000045)"),
        46: ("duplicate", "the same text as test.csv#0000007"),
    }
    assert not set(samples.loc[test, "sha256"]) & set(samples.loc[~test, "sha256"])
    assert samples["id"].is_unique
    assert set(samples.loc[~test, "split"]) == {"train", "validation"}


def test_a_text_keeps_its_id_and_split_whatever_the_file() -> None:
    write(messages(200))
    before, _, _, _ = ingest()
    frame = pd.read_csv(SOURCE / "train.csv")[::-2].assign(more=1.5)
    frame["text"] = "  " + frame["text"].str.replace(" ", "\n")
    frame["label"] = frame["label"].astype("category")
    frame.to_parquet(SOURCE / "train.parquet", index=False)
    after, _, _, _ = ingest(train="train.parquet")
    both = before.merge(after, on="id", suffixes=("", "_after"))
    assert len(both) == len(after) == 100
    for column in ("split", "label", "sha256"):
        assert (both[column] == both[f"{column}_after"]).all()


def test_the_same_source_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    write([*messages(100), *messages(10), ("", "ham")])

    def outputs() -> dict[str, bytes]:
        run(params(), Settings())
        return {path.name: path.read_bytes() for path in INGESTED.iterdir()}

    first = outputs()
    assert sorted(first) == ["content.parquet", "ingested.json", "quarantine.parquet", "samples.parquet"]
    assert outputs() == first
    _, _, texts, _ = ingest()
    monkeypatch.setattr(candidates, "PIECE", 7)
    monkeypatch.setattr(text_content, "CHARACTERS_AT_ONCE", 100)
    pieces = outputs()
    assert pieces["samples.parquet"] == first["samples.parquet"]
    assert pq.read_table(CONTENT)["text"].to_pylist() == texts


def test_labels_that_are_numbers_are_names() -> None:
    SOURCE.mkdir(parents=True)
    columns = {"text": pa.array([f"text {n}" for n in range(40)]), "label": pa.array([n % 2 for n in range(40)])}
    pq.write_table(pa.table(columns), SOURCE / "train.parquet")
    _, _, _, ingested = ingest(train="train.parquet")
    assert ingested.labels == ("0", "1")


def test_what_cannot_be_used_is_told() -> None:
    assert "data/texts is no folder here" in refusal()
    write([])
    assert "column 'label' gives 0 different labels to the 0 texts that can be used (0 cannot)" in refusal()
    write([("one", "ham"), ("two", "ham"), ("", "spam")])
    assert "column 'label' gives 1 different labels to the 2 texts that can be used (1 cannot)" in refusal()
    write([(f"text {number}", f"label {number}") for number in range(1001)])
    assert "gives 1001 different labels to the 1001 texts" in refusal()
    write([("same", "ham"), ("same", "spam")])
    assert "holds no sample that can be used; by reason: {'conflict': 2}" in refusal()
    assert "has no column 'txt'; its columns: text, label. Did you mean 'text'?" in refusal(text="txt")
    assert "holds no file tset.csv; its tables: train.csv." in refusal(test="tset.csv")


WORDS = st.sampled_from(["a", "b", "cat", "é", "e\u0301", " ", "\n", '"', ",", "Ã©", "\ufffd", "\0", ""])
TEXTS = st.lists(WORDS, max_size=4).map("".join)
ROWS = st.lists(st.tuples(TEXTS | st.binary(max_size=3), st.sampled_from(["ham", "spam", "", " egg"])), max_size=12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(train=ROWS, test=ROWS)
def test_nothing_is_lost_and_no_text_is_in_two_splits_or_under_two_labels(
    train: list[tuple[str | bytes, str]],
    test: list[tuple[str | bytes, str]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("texts"))
    write([("the first", "ham"), ("the second", "spam"), *train])
    write([("the third", "ham"), *test], "test.csv")
    samples, quarantine, texts, ingested = ingest(test="test.csv")
    assert len(samples) + len(quarantine) == 3 + len(train) + len(test)
    assert samples["source"].is_unique
    assert samples["id"].is_unique
    assert len(texts) == len(samples) == sum(ingested.samples.values())
    assert sum(ingested.quarantined.values()) == len(quarantine)
    assert [text_sha256(text) for text in texts] == samples["sha256"].tolist()
    assert samples.groupby("sha256")["split"].nunique().max() == 1
    assert samples.loc[samples["split"] != "test", "sha256"].is_unique
    assert not set(quarantine.loc[quarantine["source"].str.startswith("test"), "reason"]) & {"duplicate", "conflict"}
    assert set(samples["label"]) <= set(ingested.labels or ())


MEMORY = """
import re
from pathlib import Path
from components.ingest.run import run
from components.settings import Settings
from tests.components.test_ingest_texts import params
run(params(max_characters=10**6), Settings())
print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text()).group(1))  # ru_maxrss counts the parent's
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_texts() -> None:
    """Peak memory of the stage, of 2,000 texts that are three times as long, against that of the short ones."""

    def peak(words: int) -> int:
        write([(f"{number} " + "word " * words, "ham" if number % 2 else "spam") for number in range(2000)])
        done = subprocess.run(
            [sys.executable, "-c", MEMORY],
            env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout.split()[-1])

    short, long = peak(5_000), peak(15_000)
    assert (SOURCE / "train.csv").stat().st_size > 150e6
    assert (long - short) * 1024 < 30e6, "the longer file holds 100 MB more"
