"""Stage ``augment``: the order of an epoch, and a look at the augmentation policy.

Reads ``data/prepared/train`` and ``preprocessing.json``. Writes ``data/augmented/order.npy``, the indices of the
training samples that one epoch sees (each once, or rarer classes repeated), and ``reports/augment/contact_sheet.png``,
samples beside their augmentations. The random changes themselves are drawn anew in every epoch, on the device that
trains (:mod:`components.tasks.augmentation`).
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from components.contracts import AUGMENTED, PREPARED, REPORTS, LabelledArrays, Preprocessing
from components.files import whole_folder
from components.nets import Preprocess
from components.params import Params
from components.params.sections import AugmentParams
from components.settings import Settings
from components.stage import run_stage
from components.tasks.augmentation import BatchAugmentation

DRAWS = 7
"""Augmentations of each sample on the contact sheet."""


def balanced_order(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Indices in which every class is as frequent as the most frequent one.

    Each sample of a class is repeated equally often, but for a random remainder.

    Args:
        labels: (samples,) class of each sample.
        seed: of the choice of the remainder.

    Returns:
        (classes × largest class,) indices, sorted.
    """
    random = np.random.default_rng(seed)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    largest = max(map(len, groups))
    repeated = [
        np.concatenate(
            [np.tile(group, largest // len(group)), random.choice(group, largest % len(group), replace=False)]
        )
        for group in groups
    ]
    return np.sort(np.concatenate(repeated))


def contact_sheet(arrays: LabelledArrays, fitted: Preprocessing, policy: AugmentParams, seed: int, path: Path) -> None:
    """Draws samples of every class in turn, each beside augmentations of it, into a PNG."""
    first = [np.flatnonzero(arrays.labels == label) for label in range(len(fitted.labels))]
    rows = [group[turn] for turn in range(max(map(len, first))) for group in first if turn < len(group)][
        : policy.contact_sheet_samples
    ]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        originals = Preprocess(fitted).scale(torch.from_numpy(arrays.inputs[np.sort(rows)]))
        columns = [originals] + [BatchAugmentation(policy)(originals) for _ in range(DRAWS)]
    figure = Figure(figsize=(1.05 * (DRAWS + 1) + 0.9, 1.05 * len(rows) + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(len(rows), DRAWS + 1, squeeze=False)
    for row, index in enumerate(np.sort(rows)):
        for column, images in enumerate(columns):
            axis = axes[row, column]
            axis.imshow(images[row].permute(1, 2, 0).clamp(0, 1).numpy().squeeze(), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(fitted.labels[arrays.labels[index]][:14], fontsize=8)
    axes[0, 0].set_title("original", fontsize=9)
    axes[0, 1].set_title("as training sees it", fontsize=9, loc="left")
    figure.savefig(path)


def run(params: Params, settings: Settings) -> None:
    """Runs the stage."""
    train = LabelledArrays.load(PREPARED / "train")
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    balance = params.augment.oversample == "balance"
    order = balanced_order(train.labels, params.seed) if balance else np.arange(len(train.labels))
    with whole_folder(AUGMENTED) as folder:
        np.save(folder / "order.npy", order, allow_pickle=False)
    with whole_folder(REPORTS / "augment") as folder:
        contact_sheet(train, fitted, params.augment, params.seed, folder / "contact_sheet.png")
    sheet = REPORTS / "augment" / "contact_sheet.png"
    print(f"An epoch sees {len(order):,} of {len(train.labels):,} samples; what it does to them is shown in {sheet}.")


if __name__ == "__main__":
    run_stage("augment", run)
