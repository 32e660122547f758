"""A group of processes whose memory the kernel limits, page cache included (cgroups(7), versions 1 and 2)."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMBERS = "cgroup.procs"
"""File of a group: a process joins by writing its id there."""


@contextmanager
def limited_group(limit: int) -> Iterator[Path | None]:
    """The folder of a new group, beside that of this process or in it; None: this user may make one in neither place.

    On a desktop with systemd, ``systemd-run --user --scope COMMAND`` starts a command where its user may.

    Args:
        limit: bytes of memory, anonymous and page cache together.
    """
    group = next(filter(None, (_made(place, limit_file, limit) for place, limit_file in _places())), None)
    try:
        yield group
    finally:
        if group is not None:
            group.rmdir()


def _places() -> Iterator[tuple[Path, str]]:
    """Where a group may be made, with the name of the file of its limit."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        version_1 = controllers == "memory"
        if version_1 or not controllers:
            root = Path("/sys/fs/cgroup/memory" if version_1 else "/sys/fs/cgroup")
            ours, limit_file = root / own.lstrip("/"), "memory.limit_in_bytes" if version_1 else "memory.max"
            yield from ((place, limit_file) for place in (ours.parent, ours) if place.is_relative_to(root))


def _made(place: Path, limit_file: str, limit: int) -> Path | None:
    try:
        group = Path(tempfile.mkdtemp(prefix="tunesmith-", dir=place))
    except OSError:
        return None
    if os.access(group / limit_file, os.W_OK):
        (group / limit_file).write_text(str(limit))
        return group
    group.rmdir()
    return None
