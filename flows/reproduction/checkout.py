"""The code of the version: a clone of this repository at its commit, with the version's params.yaml and dvc.lock."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from components.errors import LineageError
from components.files import whole_folder
from components.package.model import LOCK, PARAMS
from components.settings import Settings, export_environment, load_settings
from flows.reproduction.commands import DVC, output_of, succeeds
from flows.reproduction.origin import Origin

CONFIG = Path(".dvc") / "config.local"
"""DVC's settings of one machine: addresses and keys of remotes; git does not hold it."""
HOME = Path(".tunesmith")
"""Home folder of the clone."""
CONVERTERS = "formats"
"""Of the home folder: the environments that ``make formats`` makes."""
OWN = ("BENTOML_", "MLFLOW_", "PREFECT_", "TUNESMITH_")
OWN_NAMES = ("DVC_SITE_CACHE_DIR", "MPLCONFIGDIR")
"""Variables that say where the workspace has its state."""


def check_out(origin: Origin, settings: Settings, repository: Path) -> Path:
    """Clones the repository of the working directory at the version's commit, unless that was done before.

    Args:
        origin: the version.
        settings: of the workspace; the public keys that it trusts are copied.
        repository: folder of the clone.

    Returns:
        The folder of dvc.yaml in the clone.

    Raises:
        LineageError: this repository has no such commit, or git or DVC failed.
    """
    workspace = Path.cwd()
    source = Path(output_of("git", "rev-parse", "--show-toplevel", folder=workspace, what="Finding the repository"))
    below = workspace.resolve().relative_to(source)
    if not succeeds("git", "cat-file", "-e", f"{origin.commit}^{{commit}}", folder=source):
        raise LineageError(
            f"{origin.title} was made from commit {origin.commit}, which {source} does not have. Fetch it with "
            "'git fetch' from where it was committed, and try again."
        )
    if not repository.exists():
        with whole_folder(repository) as fresh:
            told = f"{origin.title}: cloning commit {origin.commit[:12]}"
            output_of("git", "clone", "--quiet", "--no-checkout", source, fresh, folder=source, what=told)
            output_of("git", "checkout", "--quiet", "--detach", origin.commit, folder=fresh, what=told)
            _furnish(origin, settings, workspace, fresh / below)
    return repository / below


def _furnish(origin: Origin, settings: Settings, workspace: Path, root: Path) -> None:
    """Puts what git does not hold beside the code; DVC reads from the workspace's cache."""
    for part in (PARAMS, LOCK):
        shutil.copyfile(origin.package.folder / part, root / part)
    if (workspace / CONFIG).exists():
        shutil.copy(workspace / CONFIG, root / CONFIG)
    cache = Path(output_of(*DVC, "cache", "dir", folder=workspace, what="Finding DVC's cache")).resolve()
    output_of(*DVC, "config", "--local", "cache.dir", cache, folder=root, what="Setting DVC's cache")
    # The package of a champion is verified in there; what is signed in there is nobody's business outside.
    shutil.copytree(settings.public_keys, root / HOME / "keys" / "trusted")
    if (settings.home / CONVERTERS).exists():
        (root / HOME / CONVERTERS).symlink_to((settings.home / CONVERTERS).resolve())


@contextlib.contextmanager
def inside(root: Path, origin: Origin, settings: Settings) -> Iterator[Settings]:
    """Makes the clone the working directory, and its state that of this process and all that it starts, for a block.

    Args:
        root: of the clone.
        origin: says how many threads the training had.
        settings: of the workspace; the data sets that it has fetched are looked into.

    Yields:
        The settings of the clone.
    """
    before = dict(os.environ)
    fetched = settings.home / "datasets"
    datasets = fetched if fetched.exists() else settings.datasets
    chosen = {
        "PYTHONPATH": str(root),
        "TUNESMITH_HOME": str(root / HOME),
        "TUNESMITH_THREADS": origin.provenance.machine.get("threads", str(settings.threads)),
        **({"TUNESMITH_DATASETS": str(datasets.resolve())} if datasets else {}),
    }
    for name in list(os.environ):
        if name.startswith(OWN) or name in OWN_NAMES:
            del os.environ[name]
    os.environ.update(chosen)
    try:
        with contextlib.chdir(root):
            own = load_settings()
            export_environment(own)
            yield own
    finally:
        os.environ.clear()
        os.environ.update(before)
