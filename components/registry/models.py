"""The versions of one model name, their aliases and their packages."""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import PackageError, RegistryError
from components.files import whole_folder
from components.package import verify
from components.registry.connection import connect, telling
from components.settings import Settings

CHAMPION = "champion"
"""Alias of the version that is served."""
CHALLENGER = "challenger"
"""Alias of the version that was registered last."""
DIGEST = "digest"
"""Tag with the digest of the version's package; a version without it was not registered by this line."""
LOCK_TAG = "lock_sha256"
"""Tag with the digest of the dvc.lock that the version was made by."""
GRAPH_TAG = "graph"
"""Tag with the sha256 of the version's ONNX graph: the same in two versions that answer alike."""
ROLLED_BACK = "rolled_back"
"""Tag of a version that a rollback has taken away, with the reason, until it is champion again."""
CANARY = "canary_share"
"""Tag with the share of requests that servers let a challenger answer, and since when."""
COMPLETE = "complete"
"""Tag that register sets last: a version without it is finished by the next call."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version.

    Attributes:
        version: its number.
        tags: what was said of it when it was registered.
        source: where its package lies.
    """

    version: int
    tags: dict[str, str]
    source: str

    @property
    def digest(self) -> str:
        """Of its package: another registry may have another version under the same number."""
        return self.tags[DIGEST]


class Registry:
    """One model name in the registry. Nothing is reached before the first question.

    Attributes:
        name: of the registered model.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self._settings = settings

    @property
    def address(self) -> str:
        """Where the registry is, without user and password."""
        return self._settings.shown_tracking_address

    @functools.cached_property
    def client(self) -> Any:
        """The MlflowClient."""
        return connect(self._settings)

    def champion(self) -> int | None:
        """The version that is served, if any."""
        return self.aliases().get(CHAMPION)

    def challenger(self) -> int | None:
        """The version that was registered last, if any."""
        return self.aliases().get(CHALLENGER)

    def aliases(self) -> dict[str, int]:
        """Every alias and its version; empty when nothing was registered under this name.

        Raises:
            RegistryError: the registry cannot be reached.
        """
        client = self.client
        with telling(self._settings):
            models = client.search_registered_models(f"name = '{self.name}'")
        return {alias: int(version) for model in models for alias, version in model.aliases.items()}

    def versions(self) -> list[ModelVersion]:
        """Every version that this line registered, the newest first.

        Raises:
            RegistryError: the registry cannot be reached.
        """
        client, query = self.client, f"name = '{self.name}'"
        with telling(self._settings):
            page = client.search_model_versions(query)
            found = list(page)
            while page.token:
                page = client.search_model_versions(query, page_token=page.token)
                found += page
        ours = [ModelVersion(int(one.version), dict(one.tags), one.source) for one in found if DIGEST in one.tags]
        return sorted(ours, key=lambda one: one.version, reverse=True)

    def newest(self, tag: str, value: str) -> ModelVersion | None:
        """The newest version of this line whose tag has a value.

        Raises:
            RegistryError: the registry cannot be reached.
        """
        return next((one for one in self.versions() if one.tags.get(tag) == value), None)

    def version(self, number: int) -> ModelVersion:
        """One version.

        Raises:
            RegistryError: there is none of that number, or it was not registered by this line.
        """
        versions = {one.version: one for one in self.versions()}
        if number not in versions:
            known = ", ".join(map(str, versions)) or "none"
            raise RegistryError(
                f"'{self.name}' has no version {number} with a package. Versions that have one: {known}."
            )
        return versions[number]

    def download(self, number: int, folder: Path) -> str:
        """Puts the package of a version in place of ``folder``, whole and verified.

        Returns:
            The digest of the package.

        Raises:
            RegistryError: there is no such version, or its files cannot be fetched.
            PackageError: the package is not whole, not signed by a trusted key, or not the one that was registered.
        """
        from mlflow.artifacts import download_artifacts

        found = self.version(number)
        with whole_folder(folder) as fresh, tempfile.TemporaryDirectory(dir=fresh.parent) as scratch:
            with telling(self._settings):
                path = download_artifacts(
                    artifact_uri=found.source, dst_path=scratch, tracking_uri=self._settings.tracking_address
                )
            Path(path).replace(fresh)
            digest = verify(fresh, self._settings.public_keys)
            if digest != found.digest:
                raise PackageError(
                    f"Version {number} of '{self.name}' holds package {digest[:12]}…, but {found.digest[:12]}… "
                    "was registered: somebody has put another one in its place. Register the model again."
                )
        return digest

    def add_version(self, source: str, run_id: str, tags: dict[str, str]) -> int:
        """Adds a version whose package already lies at ``source``; version and tags appear at once.

        Raises:
            RegistryError: the registry does not take it.
        """
        from mlflow.exceptions import MlflowException

        client = self.client
        with telling(self._settings):
            try:
                client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            return int(client.create_model_version(self.name, source=source, run_id=run_id, tags=tags).version)

    def set_alias(self, alias: str, number: int) -> None:
        """Lets an alias point at a version; who may move the champion is :mod:`components.promote`'s business.

        Raises:
            RegistryError: the registry does not take it.
        """
        client = self.client
        with telling(self._settings):
            client.set_registered_model_alias(self.name, alias, str(number))

    def drop_alias(self, alias: str) -> None:
        """Takes an alias away; who may take the champion's is :mod:`components.promote`'s business.

        Raises:
            RegistryError: the registry does not do it.
        """
        client = self.client
        with telling(self._settings):
            client.delete_registered_model_alias(self.name, alias)

    def set_tag(self, number: int, tag: str, value: str) -> None:
        """Tags a version.

        Raises:
            RegistryError: the registry does not take it.
        """
        client = self.client
        with telling(self._settings):
            client.set_model_version_tag(self.name, str(number), tag, value)

    def drop_tag(self, number: int, tag: str) -> None:
        """Takes a tag from a version, if it has it.

        Raises:
            RegistryError: the registry does not do it.
        """
        client = self.client
        with telling(self._settings):
            client.delete_model_version_tag(self.name, str(number), tag)

    def end_canaries(self, but: int | None = None) -> tuple[int, ...]:
        """Takes their share of the requests from all canaries.

        Args:
            but: a version that keeps its share.

        Returns:
            The versions that had one.

        Raises:
            RegistryError: the registry does not do it.
        """
        found = tuple(each.version for each in self.versions() if CANARY in each.tags and each.version != but)
        for version in found:
            self.drop_tag(version, CANARY)
        return found
