"""What a public data set is: its files, whose they are, and where they can be had."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class DataFile:
    """One file of a data set, as it must be once it is unpacked; its name may be within a folder."""

    name: str
    bytes: int
    sha256: str


class Origin(Protocol):
    """One place where a data set can be had."""

    @property
    def name(self) -> str:
        """How it is called, to a person."""

    def bring(self, files: tuple[DataFile, ...], scratch: Path) -> Path:
        """Fetches the files.

        Args:
            files: of the data set.
            scratch: an empty folder for its own use.

        Returns:
            The folder where the files lie under their names, plain or gzipped.

        Raises:
            DataError: it cannot be reached, or gives something else.
        """


@dataclass(frozen=True)
class DataSet:
    """A public data set, or pretrained weights.

    Attributes:
        title: what it is, with its source in the literature.
        copyright: whose it is.
        licence: under which it may be used.
        files: what lies in ``data/fetched`` in the end.
        origins: where it can be had, in the order in which they are asked.
    """

    title: str
    copyright: str
    licence: str
    files: tuple[DataFile, ...]
    origins: tuple[Origin, ...]
