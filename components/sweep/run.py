"""A sweep from its section to its record: answered from the record, or searched on Ray."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from components.contracts import AUGMENTED, PREPARED
from components.errors import DataError, ParamsError
from components.files import file_sha256, whole_folder
from components.lineage import code_tree, tree_digest
from components.params import Params
from components.params.sections import SweepParams
from components.settings import Settings
from components.sweep.record import RECORD, Listener, Sweep

NEEDED = (PREPARED / "preprocessing.json", PREPARED / "train", PREPARED / "validation", AUGMENTED / "order.npy")


def sweep(params: Params, settings: Settings, listeners: Sequence[Listener] = ()) -> Sweep:
    """Runs the sweep of params.yaml, goes on with it, or answers from its record.

    Args:
        params: the whole of params.yaml.
        settings: of them the home folder, Ray's address, and what a trial is given.
        listeners: that hear of every event.

    Returns:
        The record, which is also in ``reports/sweep/sweep.json``.

    Raises:
        ParamsError: there is no section ``sweep``, its space cannot be run, or trials would need several devices.
        DataError: the data is not prepared.
        SettingsError: there is no Ray cluster at the address of the settings.
        RegistryError: the tracking store cannot be reached.
    """
    section = required(params)
    folder = settings.home.resolve() / "sweeps" / key_of(params)
    done = folder / "done"
    if not done.exists():
        from components.sweep.search import search

        search(params, section, settings, folder, done, listeners)
    with whole_folder(RECORD.parent) as reports:
        shutil.copytree(done, reports, dirs_exist_ok=True)
    return Sweep.read(RECORD)


def required(params: Params) -> SweepParams:
    """The section, which must be there and such that it can be run; and the data that it searches on.

    Raises:
        ParamsError: there is no section, its space cannot be run, or trials would need several devices.
        DataError: the data is not prepared.
    """
    from components.sweep.space import check_space, shortened

    if params.sweep is None:
        raise ParamsError("params.yaml has sweep: null, so there is nothing to search. Take the section of a preset.")
    if params.train.devices != 1:
        raise ParamsError("A trial of a sweep trains on one device. Set train.devices: 1 and train.strategy: auto.")
    check_space(params.sweep.space, shortened(params, params.sweep.budget.epochs))
    missing = [str(path) for path in NEEDED if not path.exists()]
    if missing:
        raise DataError(f"Not found: {', '.join(missing)}. A sweep needs prepared data; run `tunesmith run` first.")
    return params.sweep


def key_of(params: Params) -> str:
    """Names a sweep by all that it follows from: params.yaml, the code, the data, the libraries that compute."""
    digest = hashlib.sha256(params.model_dump_json(by_alias=True).encode())
    digest.update(tree_digest(code_tree(Path(__file__).parents[1])).encode())
    digest.update(json.dumps([version(name) for name in ("torch", "optuna", "ray")]).encode())
    files = [PREPARED / split / f"{part}.npy" for split in ("train", "validation") for part in ("inputs", "labels")]
    for file in [*files, PREPARED / "preprocessing.json", AUGMENTED / "order.npy"]:
        digest.update(file_sha256(file).encode())
    return digest.hexdigest()[:16]
