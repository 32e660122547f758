"""API keys of a server: made by a person, hashed at rest, one small file each.

A key is 256 random bits, so its SHA-256 cannot be searched for, and is all that is kept. Keys are files below
``keys/api/`` of the home folder (or ``TUNESMITH_API_KEYS``): made, listed and taken away while servers run.
"""

import hashlib
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from components.contracts import Record
from components.errors import SettingsError

Role = Literal["predict", "admin"]
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
PREFIX = "ts_"
"""Lets a scanner of secrets recognise a key that was committed by mistake."""


class ApiKey(Record):
    """What is kept of a key: ``<name>.json``."""

    name: str
    sha256: str
    role: Role
    """``predict``: asks and corrects; ``admin``: sees what the server serves and measures, too."""
    per_second: float | None = Field(gt=0)
    """Requests a second, on average; None: no limit."""
    per_day: int | None = Field(None, gt=0)
    """Requests from midnight to midnight, UTC; None: no limit."""
    created: str
    """UTC, ISO 8601."""


def make_key(folder: Path, name: str, role: Role, per_second: float | None = None, per_day: int | None = None) -> str:
    """Makes a key and gives it, for the only time.

    Raises:
        SettingsError: there is one of that name, or the name cannot be that of a file.
    """
    file = _file(folder, name)
    if file.exists():
        raise SettingsError(f"There is a key '{name}' already. Remove it first, or choose another name.")
    key = PREFIX + secrets.token_urlsafe(32)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    limits = {"per_second": per_second, "per_day": per_day}
    ApiKey(name=name, sha256=digest(key), role=role, created=created, **limits).write(file)
    return key


def remove_key(folder: Path, name: str) -> None:
    """Takes a key away; servers refuse it within seconds.

    Raises:
        SettingsError: there is none of that name.
    """
    file = _file(folder, name)
    if not file.exists():
        known = ", ".join(key.name for key in read_keys(folder)) or "none"
        raise SettingsError(f"There is no key '{name}'. Keys that there are: {known}.")
    file.unlink()


def read_keys(folder: Path) -> list[ApiKey]:
    """Every key, by name.

    Raises:
        SettingsError: a file cannot be read as one.
    """
    return [key for file in key_files(folder) if (key := read_key(file))]


def key_files(folder: Path) -> list[Path]:
    """The files of the keys, by name; none where there is no such folder.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".json")
    except FileNotFoundError:
        return []


def read_key(file: Path) -> ApiKey | None:
    """One key; None: it was taken away at this moment.

    Raises:
        SettingsError: the file cannot be read as one.
    """
    try:
        return ApiKey.read(file)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError) as error:
        raise SettingsError(f"{file} is no API key: {error}. Remove it, and make the key anew.") from None


def digest(key: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _file(folder: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise SettingsError(f"A key's name is of small letters, digits and hyphens, at most 64; found {name!r}.")
    return folder / f"{name}.json"
