"""Which samples an epoch sees."""

import numpy as np
from numpy.typing import NDArray


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
