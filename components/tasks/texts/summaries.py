"""Four numbers that say what a text is like to its tokenizer."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import TextInputs

SUMMARIES = ("tokens", "distinct", "rank", "fallback")


def summarise_texts(ids: NDArray[np.int32], inputs: TextInputs) -> NDArray[np.float32]:
    """Summarises each text by itself.

    The columns, in the order of :data:`SUMMARIES`; a text without tokens has zeros:

    - ``tokens``: how many there are, at most the length of the array;
    - ``distinct``: share of them that are different from one another;
    - ``rank``: mean of their ids: pairs that were frequent in training have the smaller ones;
    - ``fallback``: share of them that are single bytes, or the unknown token of a checkpoint: high where a script or a
      wording is one that the vocabulary has no pieces for.

    Args:
        ids: (texts, length) int32.
        inputs: what the ids stand for.

    Returns:
        (texts, 4) float32, finite.
    """
    present = ids != inputs.padding
    tokens = present.sum(axis=1)
    ordered = np.sort(ids, axis=1)
    distinct = ((np.diff(ordered, axis=1, prepend=-1) != 0) & (ordered != inputs.padding)).sum(axis=1)
    first, end = inputs.fallback
    fallback = ((ids >= first) & (ids < end)).sum(axis=1)
    least_one = np.maximum(tokens, 1)
    rank = ids.sum(axis=1, where=present, dtype=np.int64)
    return np.stack([tokens, distinct / least_one, rank / least_one, fallback / least_one], axis=1).astype(np.float32)
