"""From candidates to samples: no picture twice, none under two labels, each in the split of its hash."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.arrays import slices
from components.ingest.candidates import Refused
from components.splits import ID_DIGITS, split_of

COLUMNS = ["id", "sha256", "label", "split", "width", "height", "mean", "std", "source"]


def set_aside(pictures: pd.DataFrame) -> pd.DataFrame:
    """The pictures that cannot be samples because of other pictures.

    - ``conflict``: the same picture is also found under another label; all of them are set aside.
    - ``duplicate``: the same picture is found in the source's own test split, or earlier in the order of the sources.

    What belongs to a test split of the source's own is never set aside.

    Args:
        pictures: rows as of :class:`components.ingest.candidates.Candidate`, sorted by source.

    Returns:
        Rows as of :class:`components.ingest.candidates.Refused`, with the index that they have in ``pictures``.
    """
    own_test_first = pictures.sort_values("own_test", ascending=False, kind="stable")
    first = own_test_first.groupby("sha256")["source"].transform("first").sort_index()
    several_labels = pictures.groupby("sha256")["label"].transform("nunique") > 1
    conflict = several_labels & ~pictures["own_test"]
    duplicate = (first != pictures["source"]) & ~several_labels & ~pictures["own_test"]
    found_as = _found_as(pictures[several_labels])
    details = pd.concat(
        [
            "the same picture is found as " + pictures.loc[conflict, "sha256"].map(found_as).astype(str),
            "the same picture as " + first[duplicate],
        ]
    )
    reasons = pd.concat([conflict[conflict].map({True: "conflict"}), duplicate[duplicate].map({True: "duplicate"})])
    rows = pd.DataFrame(
        {"source": pictures["source"], "reason": reasons, "detail": details}, columns=list(Refused._fields)
    )
    return rows.dropna()


def _found_as(pictures: pd.DataFrame) -> "pd.Series[str]":
    """For each sha256 the labels that it is found under, each with one source."""
    named = pictures.drop_duplicates(["sha256", "label"])
    return (named["label"] + " (" + named["source"] + ")").groupby(named["sha256"]).agg(", ".join)


def sample_table(
    pictures: pd.DataFrame, inputs: NDArray[np.uint8], test_share: float | None, validation_share: float
) -> pd.DataFrame:
    """The table of samples.

    Args:
        pictures: what was not set aside, sorted by source.
        inputs: (samples, height, width, channels) uint8, in the same order.
        test_share: share of the content hashes that is kept for test; None: the source has a test split of its own.
        validation_share: share of the others that is kept for validation.

    Returns:
        The columns :data:`COLUMNS`.
    """
    drawn = [split_of(sha256, test_share, validation_share) for sha256 in pictures["sha256"]]
    split = np.where(pictures["own_test"], "test", drawn)
    mean, std = brightness_and_contrast(inputs)
    table = pictures.assign(id=sample_ids(pictures["sha256"]), split=split, mean=mean, std=std)
    return table[COLUMNS].reset_index(drop=True)


def sample_ids(sha256: "pd.Series[str]") -> "pd.Series[str]":
    """The first digits of each hash; where several samples share them, numbered from the second on: ``…-1``."""
    digits = sha256.str[:ID_DIGITS]
    repetition = digits.groupby(digits).cumcount()
    return digits.where(repetition == 0, digits + "-" + repetition.astype(str))


def brightness_and_contrast(inputs: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each sample's values, 0 to 255: two arrays (samples,) float64."""
    samples = len(inputs)
    mean, std = np.empty(samples), np.empty(samples)
    for part in slices(samples, int(np.prod(inputs.shape[1:]))):
        values = inputs[part].reshape(part.stop - part.start, -1)
        mean[part], std[part] = values.mean(axis=1), values.std(axis=1)
    return mean, std
