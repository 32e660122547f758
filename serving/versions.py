"""From a version in the registry to a model that answers: fetched, verified, proven."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.errors import PackageError
from components.package.manifest import MANIFEST, SIGNATURE, declared_files, signed_manifest
from serving.model import ServedModel, load_model
from serving.registry import Holder, Registry

MAX_MANIFEST_BYTES = 2**20


@dataclass(frozen=True)
class Versions:
    """The versions of one registered model.

    Attributes:
        registry: where they are.
        scratch: folder for what is being fetched.
        trusted: folder of public keys.
        max_batch: largest inference.
    """

    registry: Registry
    scratch: Path
    trusted: Path
    max_batch: int

    def load(self, holder: Holder) -> ServedModel:
        """Fetches a version, and lets none through that is not what was registered.

        Raises:
            RegistryError: it cannot be fetched.
            PackageError: it is damaged, or does not answer as its maker said.
            OSError: the disk is full.
        """
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix=f"version-{holder.version}-") as name:
            folder = Path(name)
            fetch_package(self.registry, holder, folder, self.trusted)
            model = load_model(folder, holder.version, self.trusted, self.max_batch)
        if model.digest != holder.digest:
            raise PackageError(
                f"It holds package {model.digest[:12]}…, but {(holder.digest or 'none')[:12]}… was registered under"
                " this version. Register the model again."
            )
        return model


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
