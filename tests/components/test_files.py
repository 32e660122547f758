import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.files import put_back, whole_folder
from tests.places import REPOSITORY


def test_a_folder_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "train") as folder:
        (folder / "new").touch()
        assert not (tmp_path / "train").exists()
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["new"]
    with pytest.raises(KeyError), whole_folder(tmp_path / "train"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    assert (tmp_path / "train" / "new").exists()


def test_a_writer_that_is_killed_while_it_replaces_a_folder_loses_none(tmp_path: Path) -> None:
    script = """
import os, pathlib, signal, sys
from components.files import whole_folder
rename, left = pathlib.Path.replace, int(sys.argv[1])
def killed(path, target):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(path, target)
pathlib.Path.replace = killed
with whole_folder(pathlib.Path("train")) as folder:
    (folder / "new").touch()
"""
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "old").touch()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    for renames in (0, 1):
        command = [sys.executable, "-c", script, str(renames)]
        assert subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode == -signal.SIGKILL
        put_back(tmp_path / "train")
        assert [path.name for path in (tmp_path / "train").iterdir()] == ["old"]
    with whole_folder(tmp_path / "train") as folder:
        (folder / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["train", "new"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".train.x1_abcde", ".train.gitignore", ".train.old", ".trains.x1_abcde", ".a.train.x1_abcde"):
        (tmp_path / name).mkdir()
    (tmp_path / ".train.x1_abcde" / "half").touch()
    (tmp_path / ".train.12345678").touch()  # a file: somebody else's
    with whole_folder(tmp_path / "train"):
        pass
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {
        "train", ".train.gitignore", ".train.old", ".trains.x1_abcde", ".a.train.x1_abcde", ".train.12345678",
    }  # fmt: skip
