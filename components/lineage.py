"""What a stage was made from: its dependencies as dvc.yaml names them, watched while it runs."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML

from components.errors import LineageError
from components.files import write_text

LOCK = Path("dvc.lock")
Signature = dict[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Declaration:
    """What dvc.yaml and params.yaml say of one stage.

    Attributes:
        definition: the stage in dvc.yaml.
        values: of the parameters that it depends on, by their dotted names.
        dependencies: files and folders, with ``${section.key}`` filled in from params.yaml as DVC does.
    """

    definition: Any
    values: dict[str, Any]
    dependencies: list[Path]

    @classmethod
    def read(cls, stage: str, graph: Path = Path("dvc.yaml"), params: Path = Path("params.yaml")) -> Self:
        """Reads both files as they are now."""
        yaml = YAML(typ="safe", pure=True)
        definition, values = yaml.load(graph)["stages"][stage], yaml.load(params)
        filled = [
            re.sub(r"\$\{([\w.]+)\}", lambda match: str(_value(values, match[1])), item)
            for item in definition.get("deps", [])
        ]
        chosen = {name: _value(values, name) for name in definition.get("params", [])}
        return cls(definition, chosen, [Path(item) for item in filled])


def _value(values: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        values = values[key]
    return values


@contextlib.contextmanager
def watched(stage: str) -> Iterator[list[Path]]:
    """Runs a block and makes sure that nothing that the stage depends on changed under it.

    DVC records dependencies and parameters as they are after the command; without this a change in between would be
    recorded as the origin of something that was made from the state before it.

    Yields:
        The dependencies.

    Raises:
        LineageError: something changed; the stage must not be recorded.
    """
    declared = Declaration.read(stage)
    before = signature(declared.dependencies)
    yield declared.dependencies
    again = Declaration.read(stage)
    after = signature(declared.dependencies)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    changed += [f"{name} in params.yaml" for name in declared.values if declared.values[name] != again.values.get(name)]
    changed += ["its entry in dvc.yaml"] if declared.definition != again.definition else []
    changed += [f"{name} (edited while this process was starting)" for name in _newer_code(declared.dependencies)]
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise LineageError(
            f"{shown} changed while {stage} was at work, so its result is not recorded. "
            "Run it again when the files are at rest."
        )


def _newer_code(dependencies: list[Path]) -> list[str]:
    """Code files that were written after this process began: it may have imported what they held before."""
    code = [path for path in dependencies if path.parts[0] == "components"]
    ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    started = booted + (ticks + 1) / os.sysconf("SC_CLK_TCK")  # the kernel rounds down
    return [str(file) for file in _files(code) if file.stat().st_mtime > started]


def signature(dependencies: list[Path]) -> Signature:
    """Modification time (ns), size and inode of every file below the dependencies."""
    return {
        str(file): (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        for file in _files(dependencies)
        if (stat := file.stat())
    }


def _files(roots: list[Path]) -> Iterator[Path]:
    for root in roots:
        if root.is_file():
            yield root
        else:
            yield from (file for file in sorted(root.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)


def code_tree(folder: Path) -> list[dict[str, str]]:
    """The files of a folder as DVC lists them: md5 and relative path, sorted by path."""
    entries = [
        {
            "md5": hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest(),
            "relpath": file.relative_to(folder).as_posix(),
        }
        for file in _files([folder])
    ]
    return sorted(entries, key=lambda entry: entry["relpath"])


def tree_digest(tree: list[dict[str, str]]) -> str:
    """The digest that DVC writes into dvc.lock for a folder with this listing."""
    return hashlib.md5(json.dumps(tree, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def record_trees(dependencies: list[Path], store: Path) -> None:
    """Keeps the listing of each code folder under its digest: ``tunesmith why`` names the file that changed from it."""
    for folder in dependencies:
        if folder.is_dir() and folder.parts[0] == "components":
            tree = code_tree(folder)
            write_text(store / f"{tree_digest(tree)}.json", json.dumps(tree))


@dataclass(frozen=True)
class GitState:
    """The code's commit.

    Attributes:
        commit: None where there is no git, no repository, or no commit yet.
        dirty: whether files differ from it. Not counted: dvc.lock, which every run writes, and params.yaml, whose
            values are kept with whatever is made from them.
    """

    commit: str | None
    dirty: bool


def git_state() -> GitState:
    """What git says of the working directory."""
    changed = _git("status", "--porcelain", "--", ".", ":!dvc.lock", ":!params.yaml")
    return GitState(_git("rev-parse", "--verify", "HEAD"), changed != "")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
