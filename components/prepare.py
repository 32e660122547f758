"""Stage prepare: the splits as arrays, and what is fitted on the training split.

Reads ``data/ingested`` and the verdict in ``data/validated``. Writes ``data/prepared/train``, ``…/validation`` and
``…/test`` (:class:`components.contracts.LabelledArrays`, in the order of the sample table) and
``data/prepared/preprocessing.json`` (:class:`components.contracts.Preprocessing`).

Guarantees that the table is the one that was validated, and that nothing but the training split decides on the
normalisation. Needs little memory: arrays are copied and counted a slice at a time.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.arrays import copy_rows, slices
from components.contracts import (
    INGESTED,
    INPUTS,
    PREPARED,
    SAMPLES,
    SPLITS,
    VALIDATED,
    Ingested,
    LabelledArrays,
    Preprocessing,
    Verdict,
)
from components.errors import DataError
from components.files import file_sha256, whole_folder
from components.params import Params
from components.settings import Settings
from components.stage import run_stage


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/prepared``.

    Raises:
        DataError: the data is not what was validated, or a split is empty.
    """
    if Verdict.read(VALIDATED / "verdict.json").samples_sha256 != file_sha256(SAMPLES):
        raise DataError(f"{SAMPLES} is not the table that was validated. Run the stage validate again.")
    ingested, table = Ingested.read(INGESTED / "ingested.json"), pd.read_parquet(SAMPLES)
    inputs = np.load(INPUTS, mmap_mode="r", allow_pickle=False)
    numbers = table["label"].map({label: number for number, label in enumerate(ingested.labels)})
    with whole_folder(PREPARED) as folder:
        for split in SPLITS:
            rows = np.flatnonzero(table["split"] == split)
            if not rows.size:
                raise DataError(f"The {split} split is empty. Bring more data, or a larger ingest.{split}_share.")
            (folder / split).mkdir()
            copy_rows(inputs, rows, folder / split / "inputs.npy")
            np.save(folder / split / "labels.npy", numbers.to_numpy(np.int64)[rows])
            np.save(folder / split / "ids.npy", table["id"].to_numpy(np.str_)[rows])
        train = LabelledArrays.load(folder / "train")
        fitted = fit(train, ingested.labels, standardise=params.prepare.normalisation == "standard")
        fitted.write(folder / "preprocessing.json")
    print(f"Prepared {len(table)} samples; mean {_shown(fitted.mean)}, deviation {_shown(fitted.std)} per channel.")


def fit(train: LabelledArrays, labels: tuple[str, ...], standardise: bool) -> Preprocessing:
    """What the training split decides.

    Args:
        train: the training split.
        labels: the classes, in the order of their numbers.
        standardise: whether values lose their mean and are divided by their standard deviation, per channel.
    """
    _, height, width, channels = train.inputs.shape
    mean, std = channel_moments(train.inputs) if standardise else (np.zeros(channels), np.ones(channels))
    return Preprocessing(
        labels=labels,
        height=height,
        width=width,
        channels=channels,
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        class_counts=tuple(np.bincount(train.labels, minlength=len(labels)).tolist()),
    )


def channel_moments(images_nhwc: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, of values in [0, 1]; a constant channel has a deviation of 1.

    Args:
        images_nhwc: (samples, height, width, channels) uint8.

    Returns:
        Two arrays (channels,) float64.
    """
    samples, height, width, channels = images_nhwc.shape
    counts = np.zeros((channels, 256), np.int64)
    for part in slices(samples, height * width * channels):
        for channel in range(channels):
            counts[channel] += np.bincount(images_nhwc[part, ..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = counts @ values / counts.sum(axis=1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    constant = np.count_nonzero(counts, axis=1) == 1
    return mean, np.where(constant, 1.0, np.sqrt(variance))


def _shown(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4f}" for value in values)


if __name__ == "__main__":
    run_stage("prepare", run)
