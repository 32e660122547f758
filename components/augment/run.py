"""From the training split to the files of the stage."""

from pathlib import Path

import numpy as np

from components.augment.order import balanced_order
from components.augment.pictures import draw
from components.augment.shown import augmentations, shown_rows
from components.contracts import (
    AUGMENTED,
    PREPARED,
    REPORTS,
    TOKENIZER,
    ClassTarget,
    LabelledArrays,
    Preprocessing,
    Target,
    TextInputs,
)
from components.files import whole_folder
from components.params import Params
from components.params.sections import ImageAugmentParams, TextAugmentParams
from components.settings import Settings
from components.tasks.texts.tokens import Tokenizer

DRAWS = 7
"""Augmentations of each sample that are shown."""


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/augmented`` and ``reports/augment``."""
    train = LabelledArrays.load(PREPARED / "train")
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    order = np.arange(len(train.labels))
    match params.augment:
        case ImageAugmentParams(oversample="balance") | TextAugmentParams(oversample="balance"):
            order = balanced_order(train.labels, params.seed)
    with whole_folder(AUGMENTED) as folder:
        np.save(folder / "order.npy", order, allow_pickle=False)
    with whole_folder(REPORTS / "augment") as folder:
        contact_sheet(params, train, fitted, folder / "contact_sheet.png")
    sheet = REPORTS / "augment" / "contact_sheet.png"
    print(f"An epoch sees {len(order):,} of {len(train.labels):,} samples; what it does to them is shown in {sheet}.")


def contact_sheet(params: Params, train: LabelledArrays, fitted: Preprocessing, path: Path) -> None:
    """Draws some samples, each beside augmentations of it, into a PNG."""
    rows = shown_rows(train.labels, fitted.target, params.augment.shown_samples)
    columns = augmentations(train, rows, params.augment, fitted.inputs, params.seed, DRAWS)
    titles = [_title(fitted.target, label) for label in train.labels[rows].tolist()]
    inputs = fitted.inputs
    tokenizer = Tokenizer.load(PREPARED / TOKENIZER, inputs) if isinstance(inputs, TextInputs) else None
    draw(inputs, columns, titles, tokenizer, path)


def _title(target: Target, label: float) -> str:
    return target.labels[int(label)] if isinstance(target, ClassTarget) else f"{label:g}"
