"""What a source gives: everything in it that is a picture with a label, and everything that is not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Reason = Literal["broken", "conflict", "duplicate", "link", "not_an_image", "too_large", "unlabelled"]


class Refused(NamedTuple):
    """Something in the source that is not a sample, and why."""

    source: str
    reason: Reason
    detail: str


class Candidate(NamedTuple):
    """A picture with a label, before it is compared with the others.

    Attributes:
        row: its place in the array of its source.
        source: its file, or file#index, relative to the source's folder.
        label: name of its class.
        sha256: of its content (:func:`components.splits.content_sha256`).
        width: of the original, in pixels.
        height: of the original, in pixels.
        own_test: whether it belongs to a test split of the source's own.
    """

    row: int
    source: str
    label: str
    sha256: str
    width: int
    height: int
    own_test: bool


@dataclass(frozen=True)
class Candidates:
    """All that a source holds.

    Attributes:
        labels: the classes, in the order of their numbers.
        pictures: a row for each :class:`Candidate`, sorted by source.
        refused: a row for each :class:`Refused`.
        inputs: (rows, height, width, channels) uint8, memory-mapped; rows of refused files are blank.
        own_test_split: whether the source has a test split of its own.
    """

    labels: tuple[str, ...]
    pictures: pd.DataFrame
    refused: pd.DataFrame
    inputs: NDArray[np.uint8]
    own_test_split: bool

    @classmethod
    def of(
        cls,
        labels: tuple[str, ...],
        items: Iterable[Candidate | Refused],
        inputs: NDArray[np.uint8],
        own_test_split: bool,
    ) -> Self:
        """Sorts what a source gives into candidates and refused; ``items`` fills ``inputs`` while it is walked."""
        pictures: list[Candidate] = []
        refused: list[Refused] = []
        for item in items:
            if isinstance(item, Candidate):
                pictures.append(item)
            else:
                refused.append(item)
        return cls(
            labels,
            pd.DataFrame(pictures, columns=Candidate._fields).sort_values("source", ignore_index=True),
            pd.DataFrame(refused, columns=Refused._fields),
            inputs,
            own_test_split,
        )
