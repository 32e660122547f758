"""The registered version that is to be made again, and whether its package says enough for that."""

from dataclasses import dataclass
from pathlib import Path

from components.errors import LineageError
from components.package import ModelPackage, Provenance
from components.package.model import LOCK, PARAMS
from components.registry import Registry
from components.settings import Settings


@dataclass(frozen=True)
class Origin:
    """A registered version with its package.

    Attributes:
        name: of the registered model.
        version: its number.
        digest: of its package.
        commit: of the code that made it.
        package: verified, in a folder that may be read.
    """

    name: str
    version: int
    digest: str
    commit: str
    package: ModelPackage

    @property
    def title(self) -> str:
        """How it is called, to a person."""
        return f"Version {self.version} of '{self.name}'"

    @property
    def provenance(self) -> Provenance:
        """What its package says of how it was made."""
        return self.package.provenance


def fetch_origin(settings: Settings, name: str, number: int, folder: Path) -> Origin:
    """Fetches the package of a version, and makes sure that its lineage is whole.

    Args:
        settings: where the registry is, and whose signatures are trusted.
        name: of the registered model.
        number: of the version.
        folder: where its package is put.

    Raises:
        RegistryError: there is no such version, or the registry cannot be reached.
        PackageError: its package is not whole, or not signed by a trusted key.
        LineageError: it was not made from a commit alone.
    """
    digest = Registry(settings, name).download(number, folder)
    package = ModelPackage.read(folder)
    origin = Origin(name, number, digest, package.provenance.git_commit or "", package)
    _require_lineage(origin)
    return origin


def _require_lineage(origin: Origin) -> None:
    if not origin.commit:
        raise LineageError(
            f"{origin.title} was registered where there was no commit of git, so nobody knows its code. "
            "Commit before you run the line: what is registered then can be reproduced."
        )
    if origin.provenance.git_dirty:
        raise LineageError(
            f"{origin.title} was registered while other files than params.yaml differed from commit "
            f"{origin.commit[:12]}, so its code is in no commit and it cannot be reproduced. Commit before you run the "
            "line: what is registered then can be."
        )
    for part in (PARAMS, LOCK):
        if not (origin.package.folder / part).is_file():
            raise LineageError(
                f"{origin.title} has a package without {part}, which says what it was made from: an older release made "
                "it. Run the line again, and reproduce what it registers."
            )
