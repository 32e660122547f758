"""Files that are whole or absent: written beside their place, flushed to disk, then renamed into it."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Writes a file that is never seen half-written.

    Args:
        path: the file; its folder is made.
        content: what it holds afterwards.
        mode: permissions, set before the file has its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text as :func:`write_bytes` does."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON with sorted keys; NaN and infinity are refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file that a stage has written."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside ``path`` that takes its place when the block ends without an error.

    A folder has one writer at a time: what lies beside it from a writer that was killed is removed, or put back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    put_back(path)
    _remove_unfinished(path)
    fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    fresh.chmod(0o755)
    try:
        yield fresh
        _exchange(path, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def put_back(path: Path) -> None:
    """Gives a folder its place again whose writer was killed just when another was to take it."""
    aside = _aside(path)
    if path.exists():
        shutil.rmtree(aside, ignore_errors=True)
    elif aside.exists():
        aside.replace(path)


def _exchange(path: Path, fresh: Path) -> None:
    """At every moment there is a whole folder, if not at its place then aside."""
    if path.exists():
        path.replace(_aside(path))
    fresh.replace(path)
    put_back(path)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.before")


def _remove_unfinished(path: Path) -> None:
    unfinished = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")  # as mkdtemp names them
    for sibling in list(path.parent.iterdir()):
        if unfinished.fullmatch(sibling.name) and sibling.is_dir() and not sibling.is_symlink():
            shutil.rmtree(sibling)


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
