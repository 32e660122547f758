"""A publisher's own address."""

from dataclasses import dataclass
from pathlib import Path

from components.fetch.dataset import DataFile
from components.fetch.origins.download import download


@dataclass(frozen=True)
class Publisher:
    """Files that lie gzipped below one address."""

    address: str

    @property
    def name(self) -> str:
        """The address."""
        return self.address

    def bring(self, files: tuple[DataFile, ...], scratch: Path) -> Path:
        """See :meth:`components.fetch.dataset.Origin.bring`."""
        return download({f"{self.address}/{file.name}.gz": file.bytes for file in files}, scratch)
