"""Secrets that the stack makes for itself: on first use, in files that only their owner may read."""

import secrets
from pathlib import Path

from components.files import write_bytes


def new_secret() -> str:
    """256 random bits, in letters that need no quoting in an address, a file of settings or SQL."""
    return secrets.token_urlsafe(32)


def kept_secret(file: Path) -> str:
    """The secret in a file, which is made on first use."""
    if not file.exists():
        write_bytes(file, new_secret().encode(), mode=0o600)
    return file.read_text(encoding="utf-8").strip()
