"""Where a trial trains: the workspace as its values would have it, without the test split.

Everything is a link into the real workspace, except what the trial's values change: then its stages are run in here.
Trials with the same values of those sections share a workspace, and with it the pages of the memory map.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from components.contracts import AUGMENTED, PREPARED, REPORTS
from components.errors import DataError
from components.files import whole_folder, write_text
from components.params import Params
from components.sweep.space import tree_of

REMADE = {"prepare": ("seed", "prepare"), "augment": ("seed", "prepare", "augment")}
"""The stages that a trial may need run, and the sections that they follow from."""
OWN = {PREPARED.name, AUGMENTED.name}
NOT_LINKED = {"data", "models", "params.yaml", REPORTS.name, ".git", ".tunesmith", ".dvc"}


def trial_workspace(root: Path, folder: Path, base: Params, params: Params) -> Path:
    """The workspace of a trial, made if it is the first one with such values.

    Args:
        root: the real workspace.
        folder: of the sweep.
        base: params.yaml as it is.
        params: as the trial has it.

    Raises:
        DataError: a stage that the values ask for failed; says why.
    """
    wanted = {name: tree_of(params)[name] for name in REMADE["augment"]}
    place = folder / "workspaces" / hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_suffix(".lock")):
        if not place.exists():
            with whole_folder(place) as fresh:
                _fill(fresh, root, tree_of(base), tree_of(params))
    return place


def _fill(fresh: Path, root: Path, base: dict[str, object], tree: dict[str, object]) -> None:
    for entry in root.iterdir():
        if entry.name not in NOT_LINKED:
            (fresh / entry.name).symlink_to(entry)
    (fresh / "data").mkdir()
    for entry in (root / "data").iterdir():
        if entry.name not in OWN:
            (fresh / "data" / entry.name).symlink_to(entry)
    write_text(fresh / "params.yaml", json.dumps(tree))  # JSON is YAML
    for stage, output in (("prepare", PREPARED), ("augment", AUGMENTED)):
        if any(base[name] != tree[name] for name in REMADE[stage]):
            _run(stage, fresh)
        else:
            _link_all_but_test(root / output, fresh / output)
    shutil.rmtree(fresh / PREPARED / "test", ignore_errors=True)  # where a stage has made it


def _link_all_but_test(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name != "test":
            (target / entry.name).symlink_to(entry)


def _run(stage: str, workspace: Path) -> None:
    """Runs a stage as the line does, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"components.{stage}"],
        cwd=workspace,
        env=os.environ | {"PYTHONPATH": str(workspace)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DataError(done.stderr.strip() or f"{stage} ended with status {done.returncode} and said nothing.")
