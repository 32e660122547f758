"""A folder with one folder of images a class: decoded in parallel, and nothing in it passed over in silence."""

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.arrays import create_npy
from components.errors import DataError, ImageRefused
from components.ingest.candidates import Candidate, Candidates, Reason, Refused
from components.ingest.corrections import Correction, corrected_pictures
from components.ingest.images.pictures import picture_candidates
from components.ingest.wording import printable
from components.params.sections import ImageFolderSource
from components.progress import progress
from components.splits import content_sha256
from components.tasks.images.decoding import fit_image, read_image

FILES_AT_ONCE = 1024
"""Files handed to the threads together: more would only wait in memory."""


def read_image_folder(
    source: ImageFolderSource, scratch: Path, threads: int, corrections: Sequence[Correction]
) -> Candidates:
    """Reads every image of every class.

    A class is a folder, not hidden, that holds at least one file itself. Links to files inside the source are read;
    links to folders, and links that leave the source, are refused.

    Args:
        source: the section ``ingest.source``.
        scratch: a folder for the array.
        threads: that decode at the same time.
        corrections: that belong to it.

    Raises:
        DataError: the folder is missing, cannot be read, or has fewer than two classes.
    """
    root = Path(source.path)
    files = list(_files(root))
    labels = tuple(sorted({_name(file.parent, root) for file in files if _misplaced(file, root) is None}))
    if len(labels) < 2:
        raise DataError(
            f"{root} must hold at least two folders, one a class, with the images directly in them; found "
            f"{', '.join(labels) or 'none'}. Sort the images into such folders, or change ingest.source in params.yaml."
        )
    shape = len(files) + len(corrections), source.height, source.width, source.channels
    inputs = create_npy(scratch / "candidates.npy", shape, np.uint8)
    items = chain(_items(files, source, inputs, threads), corrected_pictures(corrections, labels, inputs, len(files)))
    return picture_candidates(labels, items, inputs, own_test_split=False)


def _files(root: Path) -> Iterator[Path]:
    """Everything below a folder that is not itself a folder; links are not followed."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(
                f"{folder} cannot be read: {error.strerror}. "
                "Make it readable, or change ingest.source.path in params.yaml."
            ) from None
        folders += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from (Path(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False))


def _items(
    files: list[Path], source: ImageFolderSource, inputs: NDArray[np.uint8], threads: int
) -> Iterator[Candidate | Refused]:
    def read(row: int) -> Candidate | Refused:
        return _read(row, files[row], source, inputs)

    with ThreadPoolExecutor(threads) as pool, progress("decoding images", len(files)) as advance:
        for start in range(0, len(files), FILES_AT_ONCE):
            rows = range(start, min(start + FILES_AT_ONCE, len(files)))
            for item in pool.map(read, rows):
                yield item
                advance(1)


def _read(row: int, file: Path, source: ImageFolderSource, inputs: NDArray[np.uint8]) -> Candidate | Refused:
    """Looks at one file; writes its row of ``inputs`` if it is an image."""
    root = Path(source.path)
    name = _name(file, root)
    refused = _misplaced(file, root) or _unreadable(file, root, source.max_file_bytes)
    if refused:
        return Refused(name, *refused)
    try:
        image = read_image(file.read_bytes(), source.max_pixels)
    except ImageRefused as error:
        return Refused(name, error.reason, str(error))
    except OSError as error:
        return Refused(name, "broken", f"it cannot be read: {error.strerror}")
    inputs[row] = fit_image(image, source.height, source.width, source.channels)
    sha256 = content_sha256(np.asarray(image.convert("RGB")))
    return Candidate(row, name, _name(file.parent, root), sha256, False, (image.width, image.height))


def _name(path: Path, root: Path) -> str:
    """Path relative to the source; what is no UTF-8, or would act on a terminal, is written as escapes."""
    return printable(os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace"))


def _misplaced(file: Path, root: Path) -> tuple[Reason, str] | None:
    """Why a file belongs to no class, if so."""
    *folders, _ = file.relative_to(root).parts
    if not folders:
        return "unlabelled", "it lies directly in the source, in the folder of no class"
    if len(folders) > 1:
        return "unlabelled", "it lies in a folder within a folder; a class is one folder"
    if folders[0].startswith("."):
        return "unlabelled", f"its folder {folders[0]} is hidden, and taken for no class"
    return None


def _unreadable(file: Path, root: Path, max_file_bytes: int) -> tuple[Reason, str] | None:
    """Why a file must not be opened, if so."""
    real = Path(os.path.realpath(file))
    if file.is_symlink() and not real.is_relative_to(os.path.realpath(root)):
        return "link", "it is a link that leaves the source"
    if file.is_symlink() and not real.is_file():
        return "link", "it is a link to something that is no file"
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        return "not_an_image", "it is not a plain file"
    if status.st_size > max_file_bytes:
        return "too_large", f"{status.st_size} bytes; ingest.source.max_file_bytes is {max_file_bytes}"
    return None
