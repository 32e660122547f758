"""One data set, verified, in the home folder, from the first place that has it."""

import gzip
import hashlib
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.errors import DataError
from components.fetch.dataset import DataFile, DataSet
from components.files import whole_folder


@dataclass(frozen=True)
class Attempt:
    """One place to look.

    Attributes:
        origin: how it is called.
        find: takes an empty folder for its own use, returns the folder where the files lie, packed or not.
    """

    origin: str
    find: Callable[[Path], Path]


def obtain(name: str, dataset: DataSet, kept: Path, local: Path | None) -> str:
    """Puts the verified files of a data set into a folder.

    Args:
        name: of the data set, as params.yaml calls it.
        dataset: what it is.
        kept: the folder; what an earlier run has left there is used if it is whole.
        local: a folder where the user may have put the files.

    Returns:
        Where they came from.

    Raises:
        DataError: no place could give the data set; one sentence about each.
    """
    faults = []
    for attempt in _attempts(dataset, kept, local):
        try:
            _keep(attempt, dataset.files, kept)
        except DataError as error:
            faults.append(f"  {attempt.origin}: {error}")
            print(f"{attempt.origin}: {error} Looking elsewhere.", file=sys.stderr)
        else:
            return attempt.origin
    raise DataError(
        f"{dataset.title} could not be fetched from anywhere:\n" + "\n".join(faults) + "\nPut its files "
        f"({', '.join(file.name for file in dataset.files)}; plain or .gz) into a folder {name}, set "
        "TUNESMITH_DATASETS to the folder that holds it, and run again."
    )


def _attempts(dataset: DataSet, kept: Path, local: Path | None) -> Iterator[Attempt]:
    if kept.exists():
        yield Attempt(f"{kept}, kept by an earlier run", lambda _: kept)
    if local is not None:
        yield Attempt(f"the folder {local}", lambda _: local)
    for origin in dataset.origins:
        yield Attempt(origin.name, partial(origin.bring, dataset.files))


def _keep(attempt: Attempt, files: tuple[DataFile, ...], kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetch.") as scratch:
        found = attempt.find(Path(scratch))
        with whole_folder(kept) as fresh:
            for file in files:
                (fresh / file.name).parent.mkdir(exist_ok=True)
                unpack(found, file, fresh / file.name)


def unpack(folder: Path, file: DataFile, target: Path) -> None:
    """Copies a file out of a folder where it lies plain or gzipped, and checks it.

    Raises:
        DataError: it is missing, damaged, or not what its sha256 says.
    """
    path = next((path for path in (folder / file.name, folder / f"{file.name}.gz") if path.is_file()), None)
    if path is None:
        raise DataError(f"it holds no {file.name}, plain or .gz.")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(file.bytes + 1)  # one more than there must be: a bomb is not unpacked
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked: {error}.") from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"{path.name} is not the published file: its content's sha256 is not {file.sha256[:12]}….")
    target.write_bytes(content)
