import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import LineageError
from components.lineage import Declaration, code_tree, git_state, tree_digest, watched

GRAPH = """
stages:
  toy:
    cmd: exec python -m components.toy
    deps: [components/toy.py, "${place}/data.txt"]
    params: [seed, train.epochs]
    outs: [out]
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "params.yaml").write_text("place: here\nseed: 1\ntrain: {epochs: 3, batch_size: 8}\n")
    for name in ("components/toy.py", "here/data.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("before")
        os.utime(tmp_path / name, (1, 1))  # long before this process began
    return tmp_path


def test_declaration_fills_in_what_dvc_fills_in(workspace: Path) -> None:
    declared = Declaration.read("toy")
    assert declared.dependencies == [Path("components/toy.py"), Path("here/data.txt")]
    assert declared.values == {"seed": 1, "train.epochs": 3}


def test_what_stays_as_it_is_passes(workspace: Path) -> None:
    with watched("toy") as dependencies:
        (workspace / "params.yaml").write_text("place: here\nseed: 1\ntrain: {epochs: 3, batch_size: 99}\n")
    assert dependencies == Declaration.read("toy").dependencies


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("here/data.txt", "other", "here/data.txt"),
        ("components/toy.py", "other", "components/toy.py"),
        ("params.yaml", "place: here\nseed: 2\ntrain: {epochs: 3}\n", "seed in params.yaml"),
        ("params.yaml", "place: here\nseed: 1\ntrain: {epochs: 4}\n", "train.epochs in params.yaml"),
        ("dvc.yaml", GRAPH.replace("outs: [out]", "outs: [other]"), "its entry in dvc.yaml"),
    ],
)
def test_a_change_while_the_stage_works_is_not_recorded(workspace: Path, file: str, text: str, named: str) -> None:
    with pytest.raises(LineageError, match=named), watched("toy"):
        (workspace / file).write_text(text)


def test_code_that_was_edited_while_the_process_started_is_noticed(workspace: Path) -> None:
    (workspace / "components/toy.py").write_text("edited after this test process had started")
    with pytest.raises(LineageError, match="edited while this process was starting"), watched("toy"):
        pass


def test_a_new_file_in_a_folder_is_noticed(workspace: Path) -> None:
    (workspace / "dvc.yaml").write_text(GRAPH.replace("${place}/data.txt", "${place}"))
    with pytest.raises(LineageError, match=r"here/late\.txt"), watched("toy"):
        (workspace / "here" / "late.txt").write_text("late")


def test_digest_of_a_folder_is_the_one_that_dvc_writes(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.py").write_text("a = 1\n")
    (folder / "sub" / "b.py").write_text("b = 2\n")
    script = (
        "import sys\nfrom dvc.repo import Repo\n"
        "repo = Repo.init('.', no_scm=True)\n"
        "stage = repo.stage.create(single_stage=False, name='s', cmd='true', deps=['code'])\n"
        "stage.deps[0].save()\nprint(stage.deps[0].hash_info.value)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert tree_digest(code_tree(folder)) == done.stdout.strip().splitlines()[-1]


def test_params_and_lock_are_no_change_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for name in ("params.yaml", "dvc.lock", "code.py"):
        (tmp_path / name).write_text("then")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "then"]):
        subprocess.run([*git, *command], check=True)
    for name, dirty in (("params.yaml", False), ("dvc.lock", False), ("code.py", True)):
        (tmp_path / name).write_text("now")
        assert git_state().dirty is dirty, name


def test_git_state_of_a_folder_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state().commit is None
