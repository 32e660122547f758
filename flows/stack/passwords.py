"""Secrets that the stack makes for itself: on first use, in files that only their owner may read."""

import secrets
from pathlib import Path

from components.errors import SettingsError
from components.files import write_bytes


def new_secret() -> str:
    """256 random bits, in letters that need no quoting in an address, a file of settings or SQL."""
    return secrets.token_urlsafe(32)


def kept_secret(file: Path) -> str:
    """The secret in a file, which is made on first use.

    Raises:
        SettingsError: the file has none in it, or somebody else may read it.
    """
    if not file.exists():
        write_bytes(file, new_secret().encode(), mode=0o600)
    if file.stat().st_mode & 0o077:
        raise SettingsError(f"{file} can be read by other users, so it is no secret: delete it, and another is made.")
    if secret := file.read_text(encoding="utf-8").strip():
        return secret
    raise SettingsError(f"{file} is empty, so nobody would be asked for it: delete it, and another is made.")
