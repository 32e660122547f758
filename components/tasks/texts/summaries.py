"""Four numbers that say what a text is like to its tokenizer."""

import numpy as np
from numpy.typing import NDArray

from components.tasks.texts.tokens import BYTES, PADDING, SPECIAL

SUMMARIES = ("tokens", "distinct", "rank", "bytes")


def summarise_texts(ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Summarises each text by itself.

    The columns, in the order of :data:`SUMMARIES`; a text without tokens has zeros:

    - ``tokens``: how many there are, at most the length of the array;
    - ``distinct``: share of them that are different from one another;
    - ``rank``: mean of their ids: pairs that were frequent in training have the smaller ones;
    - ``bytes``: share of them that are single bytes, high where a script or a wording is one that training never saw.

    Args:
        ids: (texts, length) int32.

    Returns:
        (texts, 4) float32, finite.
    """
    present = ids != PADDING
    tokens = present.sum(axis=1)
    ordered = np.sort(ids, axis=1)
    distinct = ((np.diff(ordered, axis=1, prepend=PADDING) != 0) & (ordered != PADDING)).sum(axis=1)
    single = (present & (ids < len(SPECIAL) + BYTES)).sum(axis=1)
    least_one = np.maximum(tokens, 1)
    rank = ids.sum(axis=1, where=present, dtype=np.int64)
    return np.stack([tokens, distinct / least_one, rank / least_one, single / least_one], axis=1).astype(np.float32)
