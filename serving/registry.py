"""Which version carries an alias, and the files of its package: read from the registry without MLflow's library.

An MLflow server is asked over its REST interface, the embedded registry is the SQLite file that MLflow writes.
"""

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import httpx

from components.errors import RegistryError, SettingsError
from components.settings import Settings

CHAMPION, CHALLENGER = "champion", "challenger"
"""Aliases: of the version that answers, and of the one that was registered last."""
DIGEST, CANARY = "digest", "canary_share"
"""Tags: the digest of a version's package, and the share of requests that it answers while it is no champion."""
HOLDER = """
    SELECT v.version, v.creation_time, COALESCE(v.storage_location, v.source), t.value, c.value
    FROM registered_model_aliases AS a
    JOIN model_versions AS v ON v.name = a.name AND v.version = a.version
    LEFT JOIN model_version_tags AS t ON t.name = v.name AND t.version = v.version AND t.key = ?
    LEFT JOIN model_version_tags AS c ON c.name = v.name AND c.version = v.version AND c.key = ?
    WHERE a.name = ? AND a.alias = ?
"""
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Holder:
    """A version that carries an alias; equal only to itself, even where a registry was made anew.

    Attributes:
        version: of the registered model.
        created: milliseconds since 1970.
        location: where its package lies.
        digest: of the package that was registered; None: not registered by tunesmith.
        canary: share of requests that it is to answer while it is no champion, and since when, as somebody has said.
    """

    version: int
    created: int
    location: str
    digest: str | None
    canary: str | None = field(default=None, compare=False)

    @property
    def canary_share(self) -> float:
        """The same as a number, from 0 to 1; what is no such number is 0."""
        try:
            share = float((self.canary or "0").split()[0])
        except (ValueError, IndexError):
            return 0.0
        return share if 0 <= share <= 1 else 0.0


class Registry(Protocol):
    """What a follower needs of a registry. Every method raises RegistryError when the registry cannot do it now."""

    address: str
    """Where it is, without credentials."""

    def holder(self, alias: str) -> Holder | None:
        """The version that carries an alias; None: none does."""

    def fetch(self, holder: Holder, file: str, target: Path, max_bytes: int) -> None:
        """Copies one file of the package to ``target``, which must not exist; a larger file is an error."""


def open_registry(settings: Settings, name: str) -> Registry:
    """The registry that the settings name.

    Args:
        settings: tracking address and token.
        name: of the registered model.

    Raises:
        SettingsError: the address is of a kind that a server cannot follow.
    """
    address = settings.tracking_address
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        token = settings.tracking_token.get_secret_value() if settings.tracking_token else None
        return RestRegistry(address, token, name)
    if scheme == "sqlite":
        return SqliteRegistry(Path(address.removeprefix("sqlite:///")), name)
    raise SettingsError(
        f"TUNESMITH_TRACKING_URI is a {scheme or 'relative'} address, which a server cannot follow:"
        " give the http(s) address of an MLflow server, or leave it empty for the embedded registry."
    )


class SqliteRegistry:
    """The embedded registry, opened read-only for each look."""

    def __init__(self, path: Path, name: str) -> None:
        self.address = f"sqlite:///{path}"
        self._path = path
        self._name = name

    def holder(self, alias: str) -> Holder | None:
        """See Registry."""
        if not self._path.exists():
            return None  # nothing was ever tracked here
        try:
            with contextlib.closing(
                sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=TIMEOUT_SECONDS)
            ) as connection:
                row = connection.execute(HOLDER, (DIGEST, CANARY, self._name, alias)).fetchone()
        except sqlite3.Error as error:
            raise RegistryError(f"The registry {self._path} cannot be read: {error}.") from None
        return Holder(*row) if row else None

    def fetch(self, holder: Holder, file: str, target: Path, max_bytes: int) -> None:
        """See Registry."""
        source = _local_folder(holder) / file
        try:
            if source.stat().st_size > max_bytes:
                raise RegistryError(f"{source} is larger than {max_bytes} bytes.")
            shutil.copyfile(source, target)
        except FileNotFoundError as error:
            raise RegistryError(f"Version {holder.version} lacks a file: {error.filename}.") from None


def _local_folder(holder: Holder) -> Path:
    parts = urlsplit(holder.location)
    if parts.scheme not in ("", "file"):
        raise RegistryError(
            f"The package of version {holder.version} lies at {holder.location}, which is not on this machine;"
            " set TUNESMITH_TRACKING_URI to the address of the MLflow server that has it."
        )
    return Path(unquote(parts.path)) if parts.scheme else Path(holder.location)


class RestRegistry:
    """An MLflow server; it hands out the files of a version wherever they are stored."""

    def __init__(self, address: str, token: str | None, name: str) -> None:
        parts = urlsplit(address)
        self.address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT_SECONDS)
        self._name = name

    def holder(self, alias: str) -> Holder | None:
        """See Registry."""
        try:
            response = self._client.get(
                "/api/2.0/mlflow/registered-models/alias", params={"name": self._name, "alias": alias}
            )
            answer: Any = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise RegistryError(f"The registry {self.address} cannot be asked: {_said(error)}.") from None
        if response.status_code == httpx.codes.OK:
            return _holder(answer["model_version"])
        if answer.get("error_code") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None  # MLflow's answers to an unknown model and to an alias that nobody carries
        raise RegistryError(f"The registry {self.address} answers {response.status_code}: {str(answer)[:300]}.")

    def fetch(self, holder: Holder, file: str, target: Path, max_bytes: int) -> None:
        """See Registry."""
        query = {"name": self._name, "version": str(holder.version), "path": file}
        try:
            with self._client.stream("GET", "/model-versions/get-artifact", params=query) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise RegistryError(
                        f"{self.address} answers {response.status_code} for {file}: {response.text[:300]}"
                    )
                _save(response, target, max_bytes)
        except httpx.HTTPError as error:
            raise RegistryError(f"{file} of version {holder.version} could not be fetched: {_said(error)}.") from None


def _holder(found: dict[str, Any]) -> Holder:
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
    return Holder(
        version=int(found["version"]),
        created=int(found["creation_timestamp"]),
        location=str(found["source"]),
        digest=tags.get(DIGEST),
        canary=tags.get(CANARY),
    )


def _save(response: httpx.Response, target: Path, max_bytes: int) -> None:
    size = 0
    with target.open("xb") as copy:
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > max_bytes:
                raise RegistryError(f"{target.name} is larger than {max_bytes} bytes.")
            copy.write(chunk)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
