"""Packages on this machine's disk: fetched once for all workers, and there to start from while the registry is not."""

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.contracts import Record
from components.errors import PackageError
from components.package import verify
from components.package.manifest import MANIFEST, SIGNATURE, declared_files, signed_manifest
from serving.registry import Holder, Registry

MAX_MANIFEST_BYTES = 2**20
LOCK, CHAMPION_FILE = ".lock", "champion.json"

log = logging.getLogger("tunesmith.serving")


class KeptChampion(Record):
    """The champion that a worker has taken last."""

    registry: str
    """That it is of: with another one it is not started from."""
    version: int
    created: int
    location: str
    digest: str


@dataclass(frozen=True)
class Packages:
    """The packages of one registered model that a machine has, a folder each, by digest.

    There are the champion, and what was fetched after it; what else there is goes before the next is fetched.

    Attributes:
        folder: of the packages; servers of one home folder share it.
        registry: from where they are fetched.
        trusted: folder of public keys.
    """

    folder: Path
    registry: Registry
    trusted: Path

    def place(self, digest: str) -> Path:
        """Where a package lies, once it is there."""
        return self.folder / digest

    @contextlib.contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        """Holds the folder: alone to change it, or with others to read it; a process that dies lets go of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def obtain(self, holder: Holder, digest: str) -> Path:
        """The package of a version: verified, and fetched if it is not here as it should be. To be held alone.

        Raises:
            RegistryError: it cannot be fetched.
            PackageError: it is damaged, or not the one that was registered.
            OSError: the disk is full.
        """
        place = self.place(digest)
        if not self.has(digest):
            self._make_room()
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=f"version-{holder.version}-") as name:
                fresh = Path(name) / "package"
                fresh.mkdir()
                fetch_package(self.registry, holder, fresh, self.trusted)
                require_registered(verify(fresh, self.trusted), digest)
                shutil.rmtree(place, ignore_errors=True)
                fresh.rename(place)
        return place

    def has(self, digest: str) -> bool:
        """Whether a package is here, and as it should be; if it is not, it is to be obtained."""
        place = self.place(digest)
        try:
            return place.exists() and verify(place, self.trusted) == digest
        except PackageError as error:
            log.warning("What is kept of package %s… on this machine is fetched anew: %s", digest[:12], error)
            return False

    def _make_room(self) -> None:
        kept = self._read_kept()
        stay = {LOCK, CHAMPION_FILE, kept.digest if kept else None}
        for entry in self.folder.iterdir():
            if entry.name not in stay:  # a folder that is locked has no other writer: what a killed one left goes, too
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def keep(self, holder: Holder, digest: str) -> None:
        """From now on a server that cannot reach the registry starts from this version.

        Raises:
            OSError: the disk is full.
        """
        if self.kept() != holder:
            KeptChampion(
                registry=self.registry.address,
                version=holder.version,
                created=holder.created,
                location=holder.location,
                digest=digest,
            ).write(self.folder / CHAMPION_FILE)

    def kept(self) -> Holder | None:
        """The champion that was taken last; None: there was none of this registry."""
        found = self._read_kept()
        if found is None or found.registry != self.registry.address:
            return None
        return Holder(found.version, found.created, found.location, found.digest)

    def _read_kept(self) -> KeptChampion | None:
        try:
            return KeptChampion.read(self.folder / CHAMPION_FILE)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("Which version was served last cannot be read from %s: %s", self.folder, error)
            return None


def require_registered(found: str, digest: str) -> None:
    """Makes sure that a package is the one that was registered.

    Raises:
        PackageError: it is another one.
    """
    if found != digest:
        raise PackageError(
            f"It holds package {found[:12]}…, but {digest[:12]}… was registered under this version. Register the model"
            " again."
        )


def fetch_package(registry: Registry, holder: Holder, folder: Path, trusted: Path) -> None:
    """Fetches a package into an empty folder: the signed manifest first, then only what it lists, and no byte more.

    Raises:
        RegistryError: a file cannot be fetched.
        PackageError: the manifest is not signed by a trusted key, or names a place outside the package.
    """
    for name in (MANIFEST, SIGNATURE):
        registry.fetch(holder, name, folder / name, MAX_MANIFEST_BYTES)
    for name, entry in declared_files(signed_manifest(folder, trusted)).items():
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise PackageError(f"The manifest names {name}, which is outside the package.")
        target.parent.mkdir(parents=True, exist_ok=True)
        registry.fetch(holder, name, target, entry["bytes"])
