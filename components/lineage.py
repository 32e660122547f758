"""What a stage was made from: its dependencies as dvc.yaml names them, watched while it runs."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.errors import LineageError
from components.files import write_text

Signature = dict[str, tuple[int, int, int]]


def stage_dependencies(stage: str, graph: Path, params: Path) -> list[Path]:
    """The dependencies of a stage, with ``${section.key}`` filled in from params.yaml as DVC does."""
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(params)
    declared = yaml.load(graph)["stages"][stage].get("deps", [])
    return [Path(re.sub(r"\$\{([\w.]+)\}", lambda match: str(_value(values, match[1])), item)) for item in declared]


def _value(values: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        values = values[key]
    return values


@contextlib.contextmanager
def watched(stage: str, dependencies: list[Path]) -> Iterator[None]:
    """Runs a block and makes sure that no dependency changed under it.

    DVC records dependencies as they are after the command; without this a change in between would be recorded as
    the origin of something that was made from the state before it.

    Raises:
        LineageError: a dependency changed; the stage must not be recorded.
    """
    before = signature(dependencies)
    yield
    after = signature(dependencies)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise LineageError(
            f"{shown} changed while {stage} was reading it, so its result is not recorded. "
            "Run it again when the files are at rest."
        )


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
