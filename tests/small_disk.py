"""A disk that is soon full, for a program that nobody else sees it with."""

import subprocess

import pytest

MOUNTED = ("unshare", "--map-root-user", "--mount", "sh", "-ec")


def on_a_small_disk(size: str, script: str, *arguments: object) -> list[str]:
    """The command of a shell script that has such a disk at ``$1``; skips the test where nobody may mount one.

    Args:
        size: of the disk, as mount has it.
        script: what is run with it.
        arguments: of the script, from ``$1`` on, where the disk comes.
    """
    if subprocess.run([*MOUNTED, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    mount = f'mount -t tmpfs -o size={size} small "$1"; '
    return [*MOUNTED, mount + script, "sh", *map(str, arguments)]
