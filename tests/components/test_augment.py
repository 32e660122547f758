from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.augment import balanced_order, run
from components.contracts import AUGMENTED, REPORTS
from components.params import load_params
from components.settings import Settings
from tests.digits import write_prepared
from tests.places import REPOSITORY


def test_balance_repeats_rare_classes_up_to_the_most_frequent() -> None:
    labels = np.array([0] * 100 + [1] * 7 + [2] * 50)
    order = balanced_order(labels, seed=0)
    assert np.bincount(labels[order]).tolist() == [100, 100, 100]
    times = np.bincount(order)
    assert set(times[100:107]) <= {14, 15}, "every rare sample is repeated, none much more than another"
    assert (balanced_order(labels, seed=0) == order).all()


@pytest.mark.parametrize("oversample", ["none", "balance"])
def test_run_writes_order_and_contact_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oversample: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path)
    params = load_params(REPOSITORY / "presets" / "digits.yaml")
    augment = params.augment.model_copy(update={"oversample": oversample})
    run(params.model_copy(update={"augment": augment}), Settings())
    order = np.load(AUGMENTED / "order.npy")
    counts = np.bincount(np.load("data/prepared/train/labels.npy")[order])
    assert len(order) == (1300 if oversample == "none" else counts.max() * 10)
    with Image.open(REPORTS / "augment" / "contact_sheet.png") as sheet:
        assert min(sheet.size) > 100
        assert np.asarray(sheet.convert("L")).std() > 10, "the sheet is not empty"
