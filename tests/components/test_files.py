from pathlib import Path

import pytest

from components.files import whole_folder


def test_a_folder_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "train") as folder:
        (folder / "new").touch()
        assert not (tmp_path / "train").exists()
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["new"]
    with pytest.raises(KeyError), whole_folder(tmp_path / "train"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    assert (tmp_path / "train" / "new").exists()


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
