import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from components import arrays
from components.contracts import INGESTED, INPUTS, QUARANTINE, SAMPLES, Ingested, IngestedImages
from components.errors import DataError
from components.ingest.candidates import Candidates, Refused
from components.ingest.images.pictures import PictureContent
from components.ingest.repetitions import repetitions
from components.ingest.run import run
from components.params import Params, parse_params
from components.settings import Settings
from components.splits import content_sha256
from tests.components.idx_files import idx, write_pair
from tests.places import REPOSITORY

TEXT = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SOURCE = Path("data/fetched")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params(**source: Any) -> Params:
    default = parse_params(TEXT)
    changed = default.ingest.source.model_copy(update={"height": 8, "width": 8, "labels": tuple(LABELS)} | source)
    return default.model_copy(update={"ingest": default.ingest.model_copy(update={"source": changed})})


def digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(1797, 8, 8) and (1797,), all different."""
    loaded = load_digits()
    return (loaded.images * 15).astype(np.uint8), loaded.target.astype(np.uint8)


def ingest(**source: Any) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.uint8], Ingested]:
    run(params(**source), Settings())
    tables = pd.read_parquet(SAMPLES), pd.read_parquet(QUARANTINE)
    return *tables, np.load(INPUTS), Ingested.read(INGESTED / "ingested.json")


def test_a_set_with_a_test_split_of_its_own_keeps_it(capsys: pytest.CaptureFixture[str]) -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images[:1500], numbers[:1500])
    write_pair(SOURCE, "t10k", images[1500:], numbers[1500:])
    samples, quarantine, inputs, ingested = ingest()
    test = samples["split"] == "test"
    np.testing.assert_array_equal(inputs[test, ..., 0], images[1500:])
    np.testing.assert_array_equal(inputs[~test, ..., 0], images[:1500])
    assert samples.loc[test, "label"].tolist() == [LABELS[number] for number in numbers[1500:]]
    assert samples["source"].is_monotonic_increasing
    assert samples["source"].iloc[0] == "t10k-images-idx3-ubyte#0000000"
    assert samples["source"].iloc[-1] == "train-images-idx3-ubyte#0001499"
    assert quarantine.empty
    assert ingested.own_test_split
    assert ingested.samples["test"] == 297
    assert 0 < ingested.samples["validation"] < 200
    assert ingested.samples["train"] + ingested.samples["validation"] == 1500
    assert "1797 samples of 10 classes" in capsys.readouterr().out


def test_what_the_table_says_of_a_sample() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images, numbers)
    samples, _, inputs, _ = ingest()
    row = samples.iloc[7]
    assert row["sha256"] == content_sha256(np.repeat(images[7][..., None], 3, axis=2))
    assert row["id"] == row["sha256"][:16]
    assert (row["width"], row["height"]) == (8, 8)
    assert row["brightness"] == pytest.approx(images[7].mean())
    assert row["contrast"] == pytest.approx(images[7].std())
    fixed = ["id", "sha256", "label", "split", "source"]
    assert samples.columns.tolist() == [*fixed, "width", "height", "brightness", "contrast"]
    assert samples["id"].is_unique
    assert inputs.dtype == np.uint8


def test_a_set_without_a_test_split_is_split_by_content() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images, numbers)
    before, _, _, ingested = ingest()
    assert not ingested.own_test_split
    assert all(ingested.samples.values())
    order = np.random.default_rng(0).permutation(len(images))[:900]
    write_pair(SOURCE, "train", images[order], numbers[order])
    after, _, _, _ = ingest()
    both = before.merge(after, on="id", suffixes=("_before", "_after"))
    assert len(both) == 900
    assert (both["split_before"] == both["split_after"]).all()


@pytest.mark.parametrize("slice_bytes", [1, 1000, 2**24])
def test_the_same_source_gives_the_same_bytes(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, slice_bytes: int
) -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images[:300], numbers[:300])

    def outputs() -> dict[str, bytes]:
        run(params(), Settings())
        return {path.name: path.read_bytes() for path in INGESTED.iterdir()}

    first = outputs()
    monkeypatch.setattr(arrays, "SLICE_BYTES", slice_bytes)
    assert outputs() == first
    assert sorted(first) == ["ingested.json", "inputs.npy", "quarantine.parquet", "samples.parquet"]


def test_packed_and_plain_files_hold_the_same() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images, numbers)
    plain = ingest()
    for path in SOURCE.iterdir():
        path.unlink()
    write_pair(SOURCE, "train", images, numbers, packed=True)
    packed = ingest()
    pd.testing.assert_frame_equal(plain[0].drop(columns="source"), packed[0].drop(columns="source"))
    np.testing.assert_array_equal(plain[2], packed[2])


def test_other_sizes_and_channels_change_the_array_but_no_hash_and_no_split() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images[:200], numbers[:200])
    small, _, _, _ = ingest()
    large, _, inputs, ingested = ingest(height=12, width=10, channels=3)
    assert inputs.shape == (200, 12, 10, 3)
    assert ingested.content == IngestedImages(height=12, width=10, channels=3)
    assert (inputs[..., 0] == inputs[..., 2]).all()
    same = ["id", "sha256", "split", "label", "width", "height"]
    pd.testing.assert_frame_equal(small[same], large[same])


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_images(channels: int) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    numbers = np.arange(40, dtype=np.uint8) % 10
    write_pair(SOURCE, "train", colours[:30], numbers[:30], packed=True)
    write_pair(SOURCE, "test", colours[30:], numbers[30:])
    samples, quarantine, inputs, ingested = ingest(channels=channels)
    assert quarantine.empty
    assert ingested.samples["test"] == 10
    assert inputs.shape == (40, 8, 8, channels)
    row = int(samples.index[samples["source"] == "test-images-idx4-ubyte#0000004"][0])
    assert samples["sha256"][row] == content_sha256(colours[34])
    assert samples["width"].tolist() == [8] * 40
    if channels == 3:
        np.testing.assert_array_equal(inputs[row], colours[34])
    else:
        weights = colours[34] @ np.array([0.299, 0.587, 0.114])  # ITU-R 601-2 luma, as Pillow has it
        assert np.abs(inputs[row, ..., 0] - weights).max() <= 1


def test_a_grey_picture_is_the_same_in_three_and_in_four_dimensions() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images[:100], numbers[:100])
    grey, _, grey_inputs, _ = ingest(channels=3)
    for path in SOURCE.iterdir():
        path.unlink()
    write_pair(SOURCE, "train", np.repeat(images[:100, ..., None], 3, axis=3), numbers[:100])
    colour, _, colour_inputs, _ = ingest(channels=3)
    pd.testing.assert_frame_equal(grey.drop(columns="source"), colour.drop(columns="source"))
    np.testing.assert_array_equal(grey_inputs, colour_inputs)


def test_repetitions() -> None:
    images, numbers = digits()
    images, numbers = images[:30].copy(), np.arange(30, dtype=np.uint8) % 10
    images[21] = images[1]  # test, same label: both test samples stay
    images[2], numbers[2] = images[20], numbers[20]  # a training sample that is a test sample
    images[3] = images[24]  # the same, under another label
    images[15] = images[5]  # twice in train
    images[16], images[17] = images[6], images[6]  # three labels in train
    images[29] = images[28]  # two labels in test: they stay
    write_pair(SOURCE, "train", images[2:20], numbers[2:20])
    write_pair(SOURCE, "t10k", np.concatenate([images[20:], images[1:2]]), np.append(numbers[20:], numbers[1]))
    samples, quarantine, inputs, ingested = ingest()
    told = {row.source.removeprefix("train-images-idx3-ubyte#0000"): row for row in quarantine.itertuples()}
    assert {source: row.reason for source, row in told.items()} == {
        "000": "duplicate",
        "001": "conflict",
        "013": "duplicate",
        "004": "conflict",
        "014": "conflict",
        "015": "conflict",
    }
    assert told["000"].detail == "the same picture as t10k-images-idx3-ubyte#0000000"
    assert told["013"].detail == "the same picture as train-images-idx3-ubyte#0000003"
    assert told["004"].detail == (
        "the same picture is found as six (train-images-idx3-ubyte#0000004), seven (train-images-idx3-ubyte#0000015)"
    )
    assert ingested.quarantined == {"conflict": 4, "duplicate": 2}
    assert ingested.samples["test"] == 11
    assert len(samples) == len(inputs) == 29 - 6
    assert samples["id"].is_unique
    repeated = samples[samples["sha256"].duplicated(keep=False)]
    assert sorted(repeated["id"].str[16:]) == ["", "", "-1", "-1"]


def test_a_test_sample_stands_before_a_training_sample_whatever_their_names() -> None:
    table = pd.DataFrame(
        {
            "source": ["a-train#1", "z-test#1", "z-test#2"],
            "label": ["one"] * 3,
            "sha256": ["same"] * 3,
            "own_test": [False, True, True],
            "corrected": [False, False, False],
        },
        index=[7, 3, 5],
    )
    candidates = Candidates(
        kind=IngestedImages(height=8, width=8, channels=1),
        labels=("one",),
        label_name="label",
        summaries=(),
        table=table,
        refused=pd.DataFrame(columns=Refused._fields),
        content=PictureContent(np.zeros((8, 8, 8, 1), np.uint8)),
        own_test_split=True,
    )
    apart = repetitions(candidates)
    assert apart.to_numpy().tolist() == [["a-train#1", "duplicate", "the same picture as z-test#1"]]
    assert apart.index.tolist() == [7]


def test_labels_out_of_range_go_to_quarantine() -> None:
    images, numbers = digits()
    numbers[:3] = 10, 11, 255
    write_pair(SOURCE, "train", images, numbers)
    samples, quarantine, inputs, _ = ingest()
    assert len(samples) == len(inputs) == 1794
    np.testing.assert_array_equal(inputs[0, ..., 0], images[3])
    assert quarantine["reason"].tolist() == ["unlabelled"] * 3
    assert quarantine["detail"].iloc[2] == "its label is 255; ingest.source.labels ends with 9"


def refusal(**source: Any) -> str:
    with pytest.raises(DataError) as error:
        run(params(**source), Settings())
    assert not INGESTED.exists()
    return str(error.value)


def test_a_missing_folder_and_an_empty_one_are_told() -> None:
    assert "data/fetched is no folder here" in refusal()
    SOURCE.mkdir(parents=True)
    assert "holds no train-images-idx3-ubyte (of colour images idx4) and train-labels-idx1-ubyte" in refusal()


def test_half_a_pair_is_told() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images, numbers)
    (SOURCE / "train-labels-idx1-ubyte").unlink()
    assert "but not the file that belongs to it" in refusal()


def test_two_files_for_one_part_are_told() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images, numbers)
    write_pair(SOURCE, "train", images, numbers, packed=True)
    assert "train-images-idx3-ubyte and train-images-idx3-ubyte.gz: keep the one that is meant" in refusal()


def test_counts_that_differ_are_told() -> None:
    images, numbers = digits()
    write_pair(SOURCE, "train", images, numbers[:-1])
    assert "1797 images and data/fetched/train-labels-idx1-ubyte 1796 labels" in refusal()


def test_a_colour_file_that_is_none_is_told() -> None:
    write_pair(SOURCE, "train", np.zeros((40, 8, 8, 2)), np.zeros(40))
    assert "holds images of 2 channels" in refusal()
    (SOURCE / "train-images-idx3-ubyte").write_bytes((SOURCE / "train-images-idx4-ubyte").read_bytes())
    assert "keep the one that is meant" in refusal()
    (SOURCE / "train-images-idx4-ubyte").unlink()
    assert "begins with 00 00 08 04, not 00 00 08 03" in refusal()


def damage(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


GOOD = idx(np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))
PACKED = gzip.compress(GOOD)
HUGE = bytes([0, 0, 8, 3]) + np.array([2**31, 2**15, 2**15], ">u4").tobytes()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("", b"", "begins with nothing"),
        ("", GOOD[:10], "is no IDX file"),
        ("", damage(GOOD, 2), "begins with 00 00 f7 03, not 00 00 08 03"),
        ("", b"\x89PNG" + GOOD, "begins with 89 50 4e 47"),
        ("", GOOD[:500], "cannot hold the 40 × 8 × 8 bytes"),
        ("", GOOD[:-1], "ends before the 40 items"),
        ("", GOOD + b"x", "goes on after the 40 items"),
        ("", HUGE + GOOD, "cannot hold the 2147483648 × 32768 × 32768 bytes"),
        ("", bytes([0, 0, 8, 3]) + np.array([40, 0, 8], ">u4").tobytes(), "is empty: its header promises 40 × 0 × 8"),
        (".gz", gzip.compress(HUGE + GOOD), "cannot hold the 2147483648"),
        (".gz", gzip.compress(GOOD[:-5]), "ends before the 40 items"),
        (".gz", PACKED[:-20], "cannot be read"),
        (".gz", damage(PACKED, len(PACKED) // 2), "cannot be read"),
        (".gz", damage(PACKED, -6 + len(PACKED)), "cannot be read: CRC check failed"),
        (".gz", GOOD, "cannot be read: Not a gzipped file"),
    ],
)
def test_damaged_files_are_told(name: str, content: bytes, told: str) -> None:
    write_pair(SOURCE, "train", np.zeros((40, 8, 8)), np.zeros(40))
    (SOURCE / "train-images-idx3-ubyte").unlink()
    (SOURCE / f"train-images-idx3-ubyte{name}").write_bytes(content)
    sentence = refusal()
    assert told in sentence
    assert f"data/fetched/train-images-idx3-ubyte{name}" in sentence


def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "ROOM", 2**60)
    images, numbers = digits()
    write_pair(SOURCE, "train", images, numbers)
    assert "1797 samples of 8 × 8 × 1 need 0.0 GB" in refusal()
