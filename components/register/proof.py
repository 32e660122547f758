"""dvc.lock: the only proof of what was made from what."""

import hashlib
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.errors import LineageError
from components.files import file_sha256, read_json
from components.lineage import code_tree, tree_digest

LOCK = Path("dvc.lock")
GRAPH = Path("dvc.yaml")
PARAMS_FILE = Path("params.yaml")
CACHE = Path(".dvc/cache/files/md5")
"""Where DVC keeps the listings of folders, unless it was told to keep its cache elsewhere."""
AGAIN = "Run the line first: 'tunesmith run', or 'dvc repro'."


def lock_sha256() -> str:
    """The digest of dvc.lock.

    Raises:
        LineageError: there is none.
    """
    if not LOCK.exists():
        raise LineageError(f"There is no {LOCK}, so nothing says what the model was made from. {AGAIN}")
    return file_sha256(LOCK)


def check_lock(outputs: list[Path], records: list[Path]) -> None:
    """Makes sure that dvc.lock tells one story: every stage ran, each on what the one before it made.

    A dependency that is a part of an output (``data/prepared/train``) is held against that output's listing in DVC's
    cache; where the cache does not lie in its usual place, only against the other stages that read the same part.

    Args:
        outputs: folders whose content must be what dvc.lock says.
        records: files whose content must be what dvc.lock says that a stage has read.

    Raises:
        LineageError: it does not; says which stage or file.
    """
    yaml = YAML(typ="safe", pure=True)
    recorded: dict[str, Any] = yaml.load(LOCK)["stages"]
    missing = [stage for stage in yaml.load(GRAPH)["stages"] if stage not in recorded]
    if missing:
        raise LineageError(f"{LOCK} has no record of {', '.join(missing)}. {AGAIN}")
    made = {out["path"]: out["md5"] for stage in recorded.values() for out in stage.get("outs", [])}
    read: dict[str, str] = {}
    for stage, record in recorded.items():
        _check_inputs(stage, record, made, read)
        _check_params(stage, record, yaml.load(PARAMS_FILE))
    for folder in outputs:
        if tree_digest(code_tree(folder)) != made.get(folder.as_posix()):
            raise LineageError(f"{folder} is not what {LOCK} says was made: files were changed by hand. {AGAIN}")
    for file in records:
        if not file.exists() or _md5(file.read_bytes()) != read.get(file.as_posix()):
            raise LineageError(f"{file} is not what {LOCK} says was read: it was changed by hand. {AGAIN}")


def _check_inputs(stage: str, record: dict[str, Any], made: dict[str, str], read: dict[str, str]) -> None:
    """Holds what a stage has read against what was made and what the stages before it have read; adds it to ``read``.

    Args:
        stage: its name.
        record: what dvc.lock says of it.
        made: the digest of every output, by its path.
        read: the digest of every dependency so far, by its path.
    """
    for dependency in record.get("deps", []):
        path, digest = dependency["path"], dependency["md5"]
        if (made.get(path) or _part(path, made) or digest) != digest:
            raise LineageError(f"{LOCK}: {stage} last ran on another {path} than there is now. {AGAIN}")
        if read.setdefault(path, digest) != digest:
            raise LineageError(f"{LOCK}: {stage} last ran on another {path} than another stage did. {AGAIN}")


def _part(path: str, made: dict[str, str]) -> str | None:
    """The digest of a file or folder within an output, as its listing has it; None: it cannot be told."""
    for output in (parent.as_posix() for parent in Path(path).parents):
        listing = CACHE / made.get(output, "")[:2] / made.get(output, "")[2:]
        if output in made and listing.is_file():
            return _within(read_json(listing), Path(path).relative_to(output).as_posix())
    return None


def _within(listing: list[dict[str, str]], part: str) -> str:
    for entry in listing:
        if entry["relpath"] == part:
            return entry["md5"]
    return tree_digest(
        [
            {"md5": entry["md5"], "relpath": entry["relpath"].removeprefix(f"{part}/")}
            for entry in listing
            if entry["relpath"].startswith(f"{part}/")
        ]
    )


def _md5(content: bytes) -> str:
    """The digest that DVC writes into dvc.lock for a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _check_params(stage: str, record: dict[str, Any], params: dict[str, Any]) -> None:
    for place, value in record.get("params", {}).get(PARAMS_FILE.name, {}).items():
        if _at(params, place) != value:
            raise LineageError(f"{PARAMS_FILE}: {place} has changed since {stage} ran. {AGAIN}")


def _at(values: Any, place: str) -> Any:
    for key in place.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values
