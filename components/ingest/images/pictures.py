"""Pictures as candidates: one array, and how bright and how rich in contrast each of them is."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.arrays import copy_rows, slices
from components.contracts import INPUTS, IngestedImages
from components.ingest.candidates import Candidate, Candidates, Refused, gather

DETAILS = ("width", "height")
SUMMARIES = ("brightness", "contrast")


@dataclass(frozen=True)
class PictureContent:
    """All pictures of a source.

    Attributes:
        inputs: (rows, height, width, channels) uint8, memory-mapped; rows of refused files are blank.
    """

    inputs: NDArray[np.uint8]

    def write(self, places: NDArray[np.int64], folder: Path) -> None:
        """Writes ``inputs.npy``, in the order of the places."""
        copy_rows(self.inputs, places, folder / INPUTS.name)


def picture_candidates(
    labels: tuple[str, ...], items: Iterable[Candidate | Refused], inputs: NDArray[np.uint8], own_test_split: bool
) -> Candidates:
    """Candidates sorted by source, then the corrections as they were given, each with what it is like.

    Args:
        labels: the classes, in the order of their numbers.
        items: what the source gives; they fill ``inputs`` while they are walked.
        inputs: (rows, height, width, channels) uint8.
        own_test_split: whether the source has a test split of its own.
    """
    table, refused = gather(items, DETAILS)
    table = pd.concat([table[~table["corrected"]].sort_values("source"), table[table["corrected"]]])
    places = table.index.to_numpy(np.int64)
    for name, values in zip(SUMMARIES, brightness_and_contrast(inputs), strict=True):
        table[name] = values[places]
    height, width, channels = inputs.shape[1:]
    return Candidates(
        kind=IngestedImages(height=height, width=width, channels=channels),
        labels=labels,
        label_name="label",
        summaries=SUMMARIES,
        table=table,
        refused=refused,
        content=PictureContent(inputs),
        own_test_split=own_test_split,
    )


def brightness_and_contrast(inputs: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each sample's values, 0 to 255: two arrays (samples,) float64."""
    samples = len(inputs)
    mean, std = np.empty(samples), np.empty(samples)
    for part in slices(samples, int(np.prod(inputs.shape[1:]))):
        values = inputs[part].reshape(part.stop - part.start, -1)
        mean[part], std[part] = values.mean(axis=1), values.std(axis=1)
    return mean, std
