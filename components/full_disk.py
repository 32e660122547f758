"""A disk that is full, or a user's share of it: recognised in what libraries make of it, and told in a sentence."""

import errno
import os
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
SAID_BY_SQLITE = "database or disk is full"
LEAST_BYTES = 2**20
"""Less than that, and a server that failed for no reason that it gives has failed for that."""


def full_disk(place: str) -> str:
    """What a person is told when a file could not be written to its end.

    Args:
        place: the file, and what was said of it.
    """
    return (
        f"The disk is full ({place}). Outputs of before are whole; free some space and run it again: what was finished "
        "is kept."
    )


def told_of_full_disk(error: BaseException, folder: Path) -> str | None:
    """The sentence, if a full disk is behind an error; None: it is not.

    Args:
        error: with its causes.
        folder: on the disk in question.
    """
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, OSError) and one.errno in FULL:
            return full_disk(f"{one.filename or folder}: {one.strerror}")
        if SAID_BY_SQLITE in str(one):
            return full_disk(f"{folder}: {SAID_BY_SQLITE}")
        one = one.__cause__ or one.__context__
    disk = os.statvfs(folder if folder.exists() else Path())
    if disk.f_bavail * disk.f_frsize < LEAST_BYTES:
        return full_disk(f"{folder.resolve()}: {type(error).__name__}")
    return None
