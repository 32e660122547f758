from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from components.augment.order import balanced_order
from components.augment.run import run
from components.augment.shown import augmentations, shown_rows
from components.contracts import (
    AUGMENTED,
    PREPARED,
    REPORTS,
    TOKENIZER,
    CategoricalColumn,
    ClassTarget,
    Inputs,
    LabelledArrays,
    Preprocessing,
    RowInputs,
    Target,
    ValueTarget,
)
from components.params import Params, load_params
from components.params.sections import BpeParams
from components.settings import Settings
from components.tasks.texts.tokens import train_tokenizer
from tests.components.nets_samples import ROWS, raw_samples
from tests.digits import write_prepared
from tests.places import REPOSITORY

SHEET = REPORTS / "augment" / "contact_sheet.png"
TEXTS = ["The cat sat on the mat.", "A dog costs $5, not $6.", "日本語", "", "the cat " * 40, "<b>_x_</b> \\alpha"] * 3
CLASSES = ClassTarget(labels=("ham", "spam"), counts=(15, 3))
VALUES = ValueTarget(name="price", mean=8.5, std=5.2, low=0.0, high=17.0)
CATEGORIES = RowInputs(
    columns=tuple(column for column in ROWS.columns if isinstance(column, CategoricalColumn)),
    scaling="none",
    missing="refuse",
)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params(preset: str, **augment: Any) -> Params:
    default = load_params(REPOSITORY / "presets" / f"{preset}.yaml")
    return default.model_copy(update={"augment": default.augment.model_copy(update=augment)})


def write_train(inputs: Inputs, target: Target, samples: np.ndarray[Any, Any], labels: list[int] | list[float]) -> None:
    """What prepare leaves of the training split."""
    dtype = np.int64 if isinstance(target, ClassTarget) else np.float32
    ids = np.array([f"{number:016x}" for number in range(len(samples))])
    LabelledArrays(samples, np.array(labels, dtype), ids).save(PREPARED / "train")
    Preprocessing(inputs=inputs, target=target).write(PREPARED / "preprocessing.json")


def write_texts(target: ClassTarget = CLASSES) -> None:
    tokenizer = train_tokenizer(TEXTS, BpeParams(name="bpe", vocabulary=400, lowercase=True), 16)
    tokenizer.save(PREPARED / TOKENIZER)
    inputs = tokenizer.inputs
    write_train(inputs, target, tokenizer.encode(TEXTS), [0, 0, 0, 0, 0, 1] * 3)


def write_rows(inputs: RowInputs = ROWS) -> None:
    places = [place for place, column in enumerate(ROWS.columns) if column in inputs.columns]
    samples = raw_samples(ROWS, 18).numpy()[:, places]
    write_train(inputs, VALUES, samples, [float(number) for number in range(18)])


def sheet_is_not_empty() -> None:
    with Image.open(SHEET) as sheet:
        assert min(sheet.size) > 60
        assert np.asarray(sheet.convert("L")).std() > 10


def test_balance_repeats_rare_classes_up_to_the_most_frequent() -> None:
    labels = np.array([0] * 100 + [1] * 7 + [2] * 50)
    order = balanced_order(labels, seed=0)
    assert np.bincount(labels[order]).tolist() == [100, 100, 100]
    times = np.bincount(order)
    assert set(times[100:107]) <= {14, 15}, "every rare sample is repeated, none much more than another"
    assert (balanced_order(labels, seed=0) == order).all()


@pytest.mark.parametrize("oversample", ["none", "balance"])
def test_run_writes_order_and_contact_sheet(tmp_path: Path, oversample: str) -> None:
    write_prepared(tmp_path)
    run(params("digits", oversample=oversample), Settings())
    order = np.load(AUGMENTED / "order.npy")
    counts = np.bincount(np.load("data/prepared/train/labels.npy")[order])
    assert len(order) == (1300 if oversample == "none" else counts.max() * 10)
    sheet_is_not_empty()


@pytest.mark.parametrize(("oversample", "seen"), [("none", [15, 3]), ("balance", [15, 15])])
def test_texts_have_an_order_and_a_contact_sheet(oversample: str, seen: list[int]) -> None:
    write_texts()
    run(params("gru-sms-spam", oversample=oversample), Settings())
    order = np.load(AUGMENTED / "order.npy")
    assert np.bincount(np.load(PREPARED / "train" / "labels.npy")[order]).tolist() == seen
    sheet_is_not_empty()


@pytest.mark.parametrize("shown", [1, 8, 32])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_an_epoch_sees_every_row_once_and_rows_have_a_contact_sheet(noise: float, shown: int) -> None:
    write_rows()
    run(params("mlp-diamonds", noise=noise, shown_samples=shown), Settings())
    assert np.load(AUGMENTED / "order.npy").tolist() == list(range(18))
    sheet_is_not_empty()


def test_rows_of_categories_alone_are_no_reason_to_stop() -> None:
    write_rows(CATEGORIES)
    run(params("mlp-diamonds"), Settings())
    sheet_is_not_empty()


def test_names_of_classes_are_written_as_they_are() -> None:
    write_texts(ClassTarget(labels=("$_$", "\\frac"), counts=(15, 3)))
    run(params("gru-sms-spam"), Settings())
    sheet_is_not_empty()


def test_names_of_columns_are_written_as_they_are() -> None:
    columns = tuple(column.model_copy(update={"name": f"$_${place}"}) for place, column in enumerate(ROWS.columns))
    write_train(
        ROWS.model_copy(update={"columns": columns}), VALUES, raw_samples(ROWS, 18).numpy(), [*map(float, range(18))]
    )
    run(params("mlp-diamonds"), Settings())
    sheet_is_not_empty()


def test_names_of_classes_of_images_are_written_as_they_are(tmp_path: Path) -> None:
    write_prepared(tmp_path)
    known = Preprocessing.read(PREPARED / "preprocessing.json")
    assert isinstance(known.target, ClassTarget)
    labels = tuple(f"$_${label}" for label in known.target.labels)
    target = known.target.model_copy(update={"labels": labels})
    known.model_copy(update={"target": target}).write(PREPARED / "preprocessing.json")
    run(params("digits"), Settings())
    sheet_is_not_empty()


def test_the_same_seed_gives_the_same_files_and_another_seed_another_sheet() -> None:
    write_texts()
    chosen = params("gru-sms-spam", oversample="balance", token_dropout=0.4)

    def outputs(seed: int) -> tuple[bytes, bytes]:
        run(chosen.model_copy(update={"seed": seed}), Settings())
        return (AUGMENTED / "order.npy").read_bytes(), SHEET.read_bytes()

    first = outputs(1)
    assert outputs(1) == first
    assert outputs(2)[1] != first[1]


def test_samples_of_every_class_are_shown_in_turn() -> None:
    labels = np.array([0] * 50 + [1] * 2 + [2] * 50)
    target = ClassTarget(labels=("a", "b", "c"), counts=(50, 2, 50))
    assert shown_rows(labels, target, 7).tolist() == [0, 1, 2, 50, 51, 52, 53]
    assert len(shown_rows(labels, target, 32)) == 32
    assert shown_rows(np.array([1, 1]), target, 32).tolist() == [0, 1], "classes without a sample have no turn"


def test_values_are_shown_from_the_smallest_to_the_largest() -> None:
    labels = np.random.default_rng(0).permutation(101).astype(np.float32)
    rows = shown_rows(labels, VALUES, 5)
    assert (np.diff(rows) > 0).all()
    assert sorted(labels[rows].tolist()) == [0, 25, 50, 75, 100]
    assert shown_rows(labels[:3], VALUES, 8).tolist() == [0, 1, 2]


def test_the_first_of_the_shown_batches_is_the_samples_as_they_are() -> None:
    write_rows()
    train = LabelledArrays.load(PREPARED / "train")
    rows = np.array([1, 2, 4])
    torch.manual_seed(0)
    before = torch.get_rng_state()
    originals, *drawn = augmentations(train, rows, params("mlp-diamonds", noise=0.2).augment, ROWS, 3, 4)
    assert torch.equal(torch.get_rng_state(), before), "looking at the augmentation draws nothing from the training"
    np.testing.assert_array_equal(originals.numpy(), train.inputs[rows])
    assert len(drawn) == 4
    assert len({draw.numpy().tobytes() for draw in drawn}) == 4
    assert all(draw.shape == originals.shape for draw in drawn)
