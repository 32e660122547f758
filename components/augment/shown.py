"""Which samples are shown, and what training makes of them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.contracts import ClassTarget, Inputs, LabelledArrays, Target
from components.nets import build_preprocess
from components.tasks.augmentation import AugmentParams, build_augmentation


def shown_rows(labels: NDArray[Any], target: Target, count: int) -> NDArray[np.int64]:
    """Samples of every class in turn; of values, evenly spaced from the smallest to the largest. Sorted by place."""
    if isinstance(target, ClassTarget):
        first = [np.flatnonzero(labels == label) for label in range(target.width)]
        turns = [group[turn] for turn in range(max(map(len, first))) for group in first if turn < len(group)]
        return np.sort(np.array(turns[:count]))
    spread = np.linspace(0, len(labels) - 1, min(count, len(labels))).astype(np.int64)
    return np.sort(np.argsort(labels, kind="stable")[spread])


def augmentations(
    train: LabelledArrays, rows: NDArray[np.int64], augment: AugmentParams, inputs: Inputs, seed: int, draws: int
) -> list[Tensor]:
    """The samples as they are, then as training may see them.

    Returns:
        1 + draws batches, as :meth:`components.nets.Preprocess.unpack` gives them.
    """
    augmentation = build_augmentation(augment, inputs)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        originals = build_preprocess(inputs).unpack(torch.from_numpy(train.inputs[rows]))
        return [originals, *(augmentation(originals) for _ in range(draws))]
