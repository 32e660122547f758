"""Whether the output is the one that may be added to: that of dvc.lock, or what was gathered on top of it here."""

from pathlib import Path

from ruamel.yaml import YAML

from components.contracts import FEEDBACK, Record
from components.errors import DataError
from components.feedback.kept import gathered_folder
from components.files import put_back
from components.lineage import LOCK, code_tree, tree_digest
from components.settings import Settings

NOTHING = ""


class Gathering(Record):
    """The last gathering on this machine, written down before its outcome takes its place.

    Attributes:
        recorded: digest of the output in dvc.lock then.
        made: digest of what came out; dvc.lock has it once the stage has ended, and never where it was killed.
    """

    recorded: str
    made: str


def require_standing(settings: Settings, model: str) -> None:
    """What the logs have forgotten is nowhere else: it must not be begun anew, nor go on from an older state.

    Raises:
        DataError: what dvc.lock records is not here.
    """
    put_back(FEEDBACK)
    recorded = recorded_digest()
    if recorded == NOTHING or recorded == digest_of(FEEDBACK) or _made_here(settings, model, recorded):
        return
    found = "is another state than the one that" if FEEDBACK.exists() else "does not exist here, and"
    raise DataError(
        f"{FEEDBACK} {found} {LOCK} records. Bring that back with `dvc checkout --force {FEEDBACK}`, after "
        f"`dvc pull --force {FEEDBACK}` where this machine's cache lacks it: it may hold what no log has any more. "
        "What this machine's logs have beyond it is gathered again then."
    )


def keep_gathering(settings: Settings, model: str, made: Path) -> None:
    """Writes down what is about to be put into the place of the output.

    Args:
        settings: where the home folder is.
        model: registered name.
        made: folder of it.
    """
    file = _file(settings, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    Gathering(recorded=recorded_digest(), made=digest_of(made)).write(file)


def recorded_digest() -> str:
    """Of the output in dvc.lock; empty: no run was recorded."""
    stages = YAML(typ="safe", pure=True).load(LOCK)["stages"] if LOCK.exists() else {}
    outs = stages.get("feedback", {}).get("outs", ())
    return next((str(out["md5"]) for out in outs if out["path"] == str(FEEDBACK)), NOTHING)


def digest_of(folder: Path) -> str:
    """Of a folder as DVC has it; empty: there is none."""
    return tree_digest(code_tree(folder)) if folder.exists() else NOTHING


def _made_here(settings: Settings, model: str, recorded: str) -> bool:
    file = _file(settings, model)
    return file.exists() and Gathering.read(file) == Gathering(recorded=recorded, made=digest_of(FEEDBACK))


def _file(settings: Settings, model: str) -> Path:
    return gathered_folder(settings, model) / "gathering.json"
