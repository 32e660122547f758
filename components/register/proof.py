"""dvc.lock: the only proof of what was made from what."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.errors import LineageError
from components.files import file_sha256
from components.lineage import code_tree, tree_digest

LOCK = Path("dvc.lock")
GRAPH = Path("dvc.yaml")
PARAMS_FILE = Path("params.yaml")
AGAIN = "Run the line first: 'tunesmith run', or 'dvc repro'."


def lock_sha256() -> str:
    """The digest of dvc.lock.

    Raises:
        LineageError: there is none.
    """
    if not LOCK.exists():
        raise LineageError(f"There is no {LOCK}, so nothing says what the model was made from. {AGAIN}")
    return file_sha256(LOCK)


def check_lock(outputs: list[Path]) -> None:
    """Makes sure that dvc.lock tells one story: every stage ran, each on what the one before it made.

    Args:
        outputs: folders whose content must be what dvc.lock says.

    Raises:
        LineageError: it does not; says which stage or file.
    """
    yaml = YAML(typ="safe", pure=True)
    recorded: dict[str, Any] = yaml.load(LOCK)["stages"]
    missing = [stage for stage in yaml.load(GRAPH)["stages"] if stage not in recorded]
    if missing:
        raise LineageError(f"{LOCK} has no record of {', '.join(missing)}. {AGAIN}")
    made = {out["path"]: out["md5"] for stage in recorded.values() for out in stage.get("outs", [])}
    for stage, record in recorded.items():
        _check_inputs(stage, record, made)
        _check_params(stage, record, yaml.load(PARAMS_FILE))
    for folder in outputs:
        if tree_digest(code_tree(folder)) != made.get(folder.as_posix()):
            raise LineageError(f"{folder} is not what {LOCK} says was made: files were changed by hand. {AGAIN}")


def _check_inputs(stage: str, record: dict[str, Any], made: dict[str, str]) -> None:
    for dependency in record.get("deps", []):
        path = dependency["path"]
        if made.get(path, dependency["md5"]) != dependency["md5"]:
            raise LineageError(f"{LOCK}: {stage} last ran on another {path} than there is now. {AGAIN}")


def _check_params(stage: str, record: dict[str, Any], params: dict[str, Any]) -> None:
    for place, value in record.get("params", {}).get(PARAMS_FILE.name, {}).items():
        if _at(params, place) != value:
            raise LineageError(f"{PARAMS_FILE}: {place} has changed since {stage} ran. {AGAIN}")


def _at(values: Any, place: str) -> Any:
    for key in place.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values
