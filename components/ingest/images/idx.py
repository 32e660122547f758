"""A set of IDX files: for each split one of images and one of labels, such as MNIST and its many relatives.

Grey images lie in a file of three dimensions (``train-images-idx3-ubyte``), colour ones in one of four, the last being
red, green and blue (``train-images-idx4-ubyte``).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.arrays import create_npy
from components.errors import DataError
from components.ingest.candidates import Candidate, Candidates, Refused
from components.ingest.corrections import Correction, corrected_pictures
from components.ingest.images.idx_file import IdxFile
from components.ingest.images.pictures import picture_candidates
from components.params.sections import IdxSource
from components.progress import progress
from components.splits import content_sha256
from components.tasks.images.decoding import fit_image


@dataclass(frozen=True)
class Pair:
    """The images and the labels of one split: as many of one as of the other."""

    images: IdxFile
    labels: IdxFile
    own_test: bool


def read_idx(source: IdxSource, scratch: Path, corrections: Sequence[Correction]) -> Candidates:
    """Reads a whole set: the t10k (or test) files, if there are any, then the train files.

    Args:
        source: the section ``ingest.source``.
        scratch: a folder for the array.
        corrections: that belong to it.

    Raises:
        DataError: files are missing, damaged, or do not belong together.
    """
    folder = Path(source.path)
    test, train = _pair(folder, "t10k|test", own_test=True), _pair(folder, "train", own_test=False)
    if train is None:
        raise DataError(
            f"{folder} holds no train-images-idx3-ubyte (of colour images idx4) and train-labels-idx1-ubyte, plain or "
            ".gz. Put them there, or change ingest.source in params.yaml."
        )
    pairs = [test, train] if test else [train]
    total = sum(pair.images.shape[0] for pair in pairs)
    inputs = create_npy(
        scratch / "candidates.npy", (total + len(corrections), source.height, source.width, source.channels), np.uint8
    )
    items = chain(_items(pairs, source, inputs[:total]), corrected_pictures(corrections, source.labels, inputs, total))
    return picture_candidates(source.labels, items, inputs, own_test_split=test is not None)


def _pair(folder: Path, names: str, own_test: bool) -> Pair | None:
    images, labels = (
        _find(folder, rf"(.*-)?({names})-{kind}-ubyte(\.gz)?") for kind in ("images[-.]idx[34]", "labels[-.]idx1")
    )
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        raise DataError(f"{folder} holds {images or labels}, but not the file that belongs to it. Fetch both.")
    pair = Pair(IdxFile.open(images, _dimensions(images)), IdxFile.open(labels, 1), own_test)
    if pair.images.shape[3:] not in ((), (3,)):
        raise DataError(
            f"{images} holds images of {pair.images.shape[3]} channels; grey ones belong into three dimensions (idx3), "
            "colour ones have 3 channels. Write the file anew."
        )
    if pair.images.shape[0] != pair.labels.shape[0]:
        raise DataError(
            f"{images} holds {pair.images.shape[0]} images and {labels} {pair.labels.shape[0]} labels; "
            "they do not belong together. Fetch both again."
        )
    return pair


def _dimensions(images: Path) -> int:
    return 4 if "idx4" in images.name else 3


def _find(folder: Path, pattern: str) -> Path | None:
    found = sorted(path for path in folder.glob("*") if re.fullmatch(pattern, path.name))
    if len(found) > 1:
        raise DataError(f"{folder} holds {' and '.join(path.name for path in found)}: keep the one that is meant.")
    return found[0] if found else None


def _items(pairs: list[Pair], source: IdxSource, inputs: NDArray[np.uint8]) -> Iterator[Candidate | Refused]:
    row = 0
    with progress("reading images", len(inputs)) as advance:
        for pair in pairs:
            numbers = np.concatenate([np.empty(0, np.uint8), *pair.labels.batches()])
            index = 0
            for images in pair.images.batches():
                inputs[row : row + len(images)] = _fitted(images, source)
                for image in images:
                    yield _item(row, f"{pair.images.path.name}#{index:07}", image, int(numbers[index]), pair, source)
                    row, index = row + 1, index + 1
                advance(len(images))


def _fitted(images: NDArray[np.uint8], source: IdxSource) -> NDArray[np.uint8]:
    """(batch, height, width) or (batch, height, width, 3) of the file -> (batch, height, width, channels)."""
    size = source.height, source.width, source.channels
    if images.shape[1:] == size:
        return images
    if images.shape[1:] == size[:2]:
        return np.repeat(images[..., None], source.channels, axis=3)
    return np.stack([fit_image(Image.fromarray(image), *size) for image in images])


def _item(
    row: int, name: str, image: NDArray[np.uint8], number: int, pair: Pair, source: IdxSource
) -> Candidate | Refused:
    if number >= len(source.labels):
        return Refused(
            name, "unlabelled", f"its label is {number}; ingest.source.labels ends with {len(source.labels) - 1}"
        )
    height, width = image.shape[:2]
    rgb_hwc = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    return Candidate(row, name, source.labels[number], content_sha256(rgb_hwc), pair.own_test, (width, height))
