import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from components.contracts import INGESTED, INPUTS, QUARANTINE, REPORTS, SAMPLES, Ingested, IngestedImages
from components.errors import DataError
from components.ingest.images import image_folder
from components.ingest.run import run
from components.params import Params, load_params
from components.settings import Settings
from tests.digits import write_image_folder
from tests.places import REPOSITORY

SOURCE = Path("data/digits")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params(**source: Any) -> Params:
    default = load_params(REPOSITORY / "presets/digits.yaml")
    changed = default.ingest.source.model_copy(update=source)
    return default.model_copy(update={"ingest": default.ingest.model_copy(update={"source": changed})})


def ingest(**source: Any) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.uint8], Ingested]:
    run(params(**source), Settings(threads=2))
    tables = pd.read_parquet(SAMPLES), pd.read_parquet(QUARANTINE)
    return *tables, np.load(INPUTS), Ingested.read(INGESTED / "ingested.json")


def picture(number: int, size: tuple[int, int] = (10, 12)) -> Image.Image:
    """A picture that no other number gives."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, size, np.uint8))


def save(path: str, image: Image.Image, **options: Any) -> Path:
    file = SOURCE / path
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **options)
    return file


def two_classes(each: int = 3) -> None:
    for number in range(each):
        save(f"cat/{number}.png", picture(number))
        save(f"dog/{number}.png", picture(100 + number))


def test_the_digits() -> None:
    write_image_folder(SOURCE)
    samples, quarantine, inputs, ingested = ingest()
    assert len(samples) + len(quarantine) == 1797
    assert set(quarantine["reason"]) <= {"duplicate"}
    assert ingested.labels == tuple("0123456789")
    assert not ingested.own_test_split
    assert ingested.content == IngestedImages(height=24, width=24, channels=1)
    assert ingested.summaries == ("brightness", "contrast")
    assert abs(ingested.samples["test"] / len(samples) - 0.2) < 0.04
    assert abs(ingested.samples["validation"] / len(samples) - 0.8 * 0.15) < 0.03
    row = int(samples.index[samples["source"] == "3/0003.png"][0])
    with Image.open(SOURCE / "3/0003.png") as image:
        np.testing.assert_array_equal(inputs[row, ..., 0], np.asarray(image))
    assert samples["brightness"].to_numpy() == pytest.approx(inputs.reshape(len(inputs), -1).mean(axis=1))
    assert samples["source"].is_monotonic_increasing


def test_the_same_source_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(each=20)
    save("cat/deep/1.png", picture(7))

    def outputs() -> dict[str, bytes]:
        run(params(), Settings(threads=4))
        return {path.name: path.read_bytes() for path in INGESTED.iterdir()}

    first = outputs()
    monkeypatch.setattr(image_folder, "FILES_AT_ONCE", 3)
    assert outputs() == first


def test_a_picture_keeps_its_id_and_split_whatever_happens_to_its_file() -> None:
    two_classes(each=20)
    before, _, _, _ = ingest()
    for path in sorted(SOURCE.rglob("*.png")):
        with Image.open(path) as image:
            image.convert("RGB").save(path.with_name(f"renamed-{path.stem}.bmp"))
        path.unlink()
    save("zebra/1.png", picture(1000))
    after, _, _, _ = ingest(height=16, width=32, channels=3)
    assert set(before["id"]) < set(after["id"])
    both = before.merge(after, on="id", suffixes=("", "_after"))
    assert (both["split"] == both["split_after"]).all()
    assert (both["sha256"] == both["sha256_after"]).all()


@pytest.mark.timeout(120, method="thread")  # a pipe that is opened would never end
def test_what_is_no_sample_goes_to_quarantine_with_its_reason(workspace: Path) -> None:
    two_classes()
    outside = workspace / "outside.png"
    picture(50).save(outside)
    save("cat/again.png", picture(0))
    save("cat/both.png", picture(60))
    save("dog/both.png", picture(60))
    save("cat/wide.png", Image.new("L", (50, 40), 61))
    save("cat/heavy.bmp", picture(62, (30, 30)))
    save("loose.png", picture(63))
    save("cat/inner/nested.png", picture(64))
    save(".hidden/file.png", picture(65))
    half = save("cat/half.png", picture(66))
    half.write_bytes(half.read_bytes()[:60])
    (SOURCE / "cat/notes.txt").write_text("hello")
    (SOURCE / "cat/empty.png").touch()
    os.mkfifo(SOURCE / "cat/pipe.png")
    (SOURCE / "cat/away.png").symlink_to(outside)
    (SOURCE / "cat/nowhere.png").symlink_to("gone.png")
    (SOURCE / "cat/loop.png").symlink_to("loop.png")
    (SOURCE / "cat/folder").symlink_to(SOURCE.resolve() / "dog")
    (SOURCE / "linked").symlink_to(workspace)
    (SOURCE / "dog/inside.png").symlink_to("0.png")
    samples, quarantine, _, ingested = ingest(max_file_bytes=1500, max_pixels=1500)
    told = {row.source: row for row in quarantine.itertuples()}
    assert {source: row.reason for source, row in told.items()} == {
        ".hidden/file.png": "unlabelled",
        "cat/again.png": "duplicate",
        "cat/away.png": "link",
        "cat/both.png": "conflict",
        "cat/empty.png": "not_an_image",
        "cat/folder": "link",
        "cat/half.png": "broken",
        "cat/heavy.bmp": "too_large",
        "cat/inner/nested.png": "unlabelled",
        "cat/loop.png": "link",
        "cat/notes.txt": "not_an_image",
        "cat/nowhere.png": "link",
        "cat/pipe.png": "not_an_image",
        "cat/wide.png": "too_large",
        "dog/both.png": "conflict",
        "dog/inside.png": "duplicate",
        "linked": "unlabelled",
        "loose.png": "unlabelled",
    }
    assert told["cat/again.png"].detail == "the same picture as cat/0.png"
    assert told["cat/both.png"].detail == "the same picture is found as cat (cat/both.png), dog (dog/both.png)"
    assert told["cat/away.png"].detail == "it is a link that leaves the source"
    assert told["cat/wide.png"].detail == "too large: 50 × 40 is more than 1500 pixels"
    assert "max_file_bytes is 1500" in told["cat/heavy.bmp"].detail
    assert sorted(samples["source"]) == [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(3)]
    assert ingested.labels == ("cat", "dog")
    assert ingested.quarantined["link"] == 4
    page = (REPORTS / "ingest/summary.md").read_text()
    assert page.startswith("# 6 samples, 18 in quarantine")
    assert "- conflict: `cat/both.png`" in page
    assert "Images, brought to 24 × 24 × 1. The source has splits by the hash of each sample's content." in page
    assert "| `cat` | " in page
    assert "| `brightness` | 6 | 0 | " in page


def test_names_that_would_act_on_a_terminal_or_are_no_text_are_escaped() -> None:
    two_classes()
    for name in (b"\xff.png", b"\x1b[31mred.png", b"line\nbreak.txt"):
        (SOURCE / "cat" / os.fsdecode(name)).write_bytes(b"no image")
    _, quarantine, _, _ = ingest()
    assert quarantine["source"].tolist() == ["cat/\\x1b[31mred.png", "cat/\\xff.png", "cat/line\\nbreak.txt"]


def test_a_class_of_broken_files_stays_a_class() -> None:
    two_classes()
    (SOURCE / "emu").mkdir()
    (SOURCE / "emu/1.png").write_bytes(b"no image")
    (SOURCE / "nothing").mkdir()
    _, _, _, ingested = ingest()
    assert ingested.labels == ("cat", "dog", "emu")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_any_mode_and_any_channels(mode: str) -> None:
    for label, value in (("dark", 0), ("light", 1)):
        full = {"1": 1, "I;16": 65535}.get(mode, 255)
        image = (
            Image.new("L", (9, 7), value * 255).convert(mode)
            if mode != "I;16"
            else Image.new(mode, (9, 7), value * full)
        )
        save(f"{label}/1.png", image)
    for channels in (1, 3):
        samples, quarantine, inputs, _ = ingest(channels=channels)
        assert quarantine.empty
        assert samples["brightness"].tolist() == [0, 255]
        assert inputs.shape == (2, 24, 24, channels)
        assert samples[["width", "height"]].to_numpy().tolist() == [[9, 7], [9, 7]]


def refusal() -> str:
    with pytest.raises(DataError) as error:
        run(params(), Settings())
    assert not INGESTED.exists()
    return str(error.value)


def test_folders_that_cannot_be_used_are_told() -> None:
    assert "data/digits is no folder here" in refusal()
    SOURCE.mkdir(parents=True)
    assert "at least two folders" in refusal()
    assert "found none" in refusal()
    save("cat/1.png", picture(1))
    assert "found cat" in refusal()
    (SOURCE / "cat/1.png").write_bytes(b"no image")
    (SOURCE / "dog").mkdir()
    (SOURCE / "dog/1.png").write_bytes(b"no image")
    assert "no sample that can be used; by reason: {'not_an_image': 2}" in refusal()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told() -> None:
    two_classes()
    (SOURCE / "cat/0.png").chmod(0)
    _, quarantine, _, _ = ingest()
    assert quarantine[["source", "reason"]].to_numpy().tolist() == [["cat/0.png", "broken"]]
    shutil.rmtree(INGESTED)
    (SOURCE / "dog").chmod(0)
    assert "data/digits/dog cannot be read: Permission denied" in refusal()
    (SOURCE / "dog").chmod(0o755)


TREES = st.dictionaries(
    st.sampled_from(["a/1", "a/2", "a/3", "b/1", "b/2", "c/1", "4", "a/x/1", ".h/1"]),
    st.integers(0, 3) | st.binary(max_size=4),
    min_size=1,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tree=TREES)
def test_nothing_is_lost_and_no_picture_is_twice(
    tree: dict[str, int | bytes], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("tree"))
    two_classes(each=1)
    for name, content in tree.items():
        if isinstance(content, bytes):
            (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
            (SOURCE / name).write_bytes(content)
        else:
            save(name, picture(content), format="PNG")
    samples, quarantine, inputs, ingested = ingest()
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()}
    assert sorted([*samples["source"], *quarantine["source"]]) == sorted(files)
    assert samples["sha256"].is_unique
    assert samples["id"].is_unique
    assert len(inputs) == len(samples) == sum(ingested.samples.values())
    assert sum(ingested.quarantined.values()) == len(quarantine)
    assert set(samples["label"]) <= set(ingested.labels)
