"""Which errors are a full disk."""

import errno
import sqlite3
from pathlib import Path

import pytest

from components.full_disk import told_of_full_disk
from components.registry import connect
from components.settings import Settings


def raised(error: Exception, cause: Exception) -> Exception:
    """The error as it is when another one has led to it."""
    with pytest.raises(type(error)) as found:
        try:
            raise cause
        except type(cause) as first:
            raise error from first
    return found.value


def test_a_full_disk_is_known_behind_what_libraries_make_of_it(tmp_path: Path) -> None:
    no_space = OSError(errno.ENOSPC, "No space left on device", "data/a.npy")
    told = told_of_full_disk(raised(RuntimeError("the flow failed"), no_space), tmp_path)
    assert told is not None
    assert told.startswith("The disk is full (data/a.npy: No space left on device). Outputs of before are whole;")
    of_sqlite = raised(RuntimeError("500"), sqlite3.OperationalError("database or disk is full"))
    assert str(told_of_full_disk(of_sqlite, tmp_path)).startswith(f"The disk is full ({tmp_path}: database or disk is")


def test_another_fault_is_none(tmp_path: Path) -> None:
    assert told_of_full_disk(raised(RuntimeError("500"), PermissionError(errno.EACCES, "no", "a")), tmp_path) is None


def test_a_database_that_was_begun_and_not_finished_is_made_anew(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "mlflow.db.new").write_bytes(b"half of it")
    assert [one.name for one in connect(settings).search_experiments()] == ["Default"]
    assert sorted(file.name for file in tmp_path.glob("mlflow.db*")) == ["mlflow.db"]
