"""A set of IDX files: for each split one of images and one of labels, such as MNIST and its many relatives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.arrays import create_npy
from components.errors import DataError
from components.ingest.candidates import Candidate, Candidates, Refused
from components.ingest.idx_file import IdxFile
from components.params.sections import IdxSource
from components.progress import progress
from components.splits import content_sha256
from components.tasks.images import fit_image


@dataclass(frozen=True)
class Pair:
    """The images and the labels of one split: as many of one as of the other."""

    images: IdxFile
    labels: IdxFile
    own_test: bool


def read_idx(source: IdxSource, scratch: Path) -> Candidates:
    """Reads a whole set: the t10k (or test) files, if there are any, then the train files.

    Args:
        source: the section ``ingest.source``.
        scratch: a folder for the array.

    Raises:
        DataError: files are missing, damaged, or do not belong together.
    """
    folder = Path(source.path)
    test, train = _pair(folder, "t10k|test", own_test=True), _pair(folder, "train", own_test=False)
    if train is None:
        raise DataError(
            f"{folder} holds no train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or .gz. "
            "Put them there, or change ingest.source in params.yaml."
        )
    pairs = [test, train] if test else [train]
    total = sum(pair.images.shape[0] for pair in pairs)
    inputs = create_npy(scratch / "candidates.npy", (total, source.height, source.width, source.channels))
    return Candidates.of(source.labels, _items(pairs, source, inputs), inputs, own_test_split=test is not None)


def _pair(folder: Path, names: str, own_test: bool) -> Pair | None:
    images, labels = (
        _find(folder, rf"(.*-)?({names})-{kind}-ubyte(\.gz)?") for kind in ("images[-.]idx3", "labels[-.]idx1")
    )
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        raise DataError(f"{folder} holds {images or labels}, but not the file that belongs to it. Fetch both.")
    pair = Pair(IdxFile.open(images, 3), IdxFile.open(labels, 1), own_test)
    if pair.images.shape[0] != pair.labels.shape[0]:
        raise DataError(
            f"{images} holds {pair.images.shape[0]} images and {labels} {pair.labels.shape[0]} labels; "
            "they do not belong together. Fetch both again."
        )
    return pair


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
    """(batch, height, width) of the file -> (batch, height, width, channels) of the params."""
    if images.shape[1:] == (source.height, source.width):
        return np.repeat(images[..., None], source.channels, axis=3)
    size = source.height, source.width, source.channels
    return np.stack([fit_image(Image.fromarray(image), *size) for image in images])


def _item(
    row: int, name: str, image: NDArray[np.uint8], number: int, pair: Pair, source: IdxSource
) -> Candidate | Refused:
    if number >= len(source.labels):
        return Refused(
            name, "unlabelled", f"its label is {number}; ingest.source.labels ends with {len(source.labels) - 1}"
        )
    height, width = image.shape
    sha256 = content_sha256(np.repeat(image[..., None], 3, axis=2))
    return Candidate(row, name, source.labels[number], sha256, width, height, pair.own_test)
