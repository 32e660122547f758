"""Where a server keeps what its workers tell one another, and how promotions come to know of it.

Started by ``tunesmith serve`` or ``python -m serving``, a server has said so before its workers start; started by
``bentoml serve``, its first worker does.
"""

import contextlib
import logging
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from components.errors import ParamsError, SettingsError
from components.params import load_params
from components.presence import FILE, ServerRecord
from components.settings import Settings, export_environment
from serving.registry import open_registry

PROCESS, HOME = "TUNESMITH_SERVER_PID", "TUNESMITH_SERVER_HOME"
"""Variables by which a server tells its workers."""
BENTOML = "bentoml-"

log = logging.getLogger("tunesmith.serving")


@dataclass(frozen=True)
class Server:
    """The server that a worker belongs to.

    Attributes:
        process: that no worker may outlive.
        home: its folder.
        model: registered name that it follows.
        by_bentoml: whether ``bentoml serve`` has started it.
    """

    process: int
    home: Path
    model: str
    by_bentoml: bool = False

    def hardened(self, settings: Settings) -> Settings:
        """The settings; nobody is let in without a key where only BentoML knows which address is bound."""
        if self.by_bentoml and settings.keys_required is None:
            return settings.model_copy(update={"keys_required": True})
        return settings


def model_to_follow(settings: Settings, named: str | None = None) -> str:
    """The registered name: given, or that of the settings, or that of params.yaml.

    Raises:
        SettingsError: there is none.
    """
    if name := named or settings.model:
        return name
    if not Path("params.yaml").exists():
        raise SettingsError(
            "Which model? There is no params.yaml here: give its registered name with --name or TUNESMITH_MODEL."
        )
    return load_params().name


def enlist(record: ServerRecord, home: Path) -> None:
    """Lets promotions know of a server before a worker of it can answer.

    Raises:
        SettingsError: the home folder cannot be written.
    """
    try:
        record.write(home / FILE)
    except OSError as error:
        raise SettingsError(f"{home} cannot be written ({error.strerror}). Make room, or set TUNESMITH_HOME.") from None


def server_of_this_worker(settings: Settings) -> Server:
    """What this process is a worker of.

    Raises:
        SettingsError: BentoML has started it, and it cannot serve; the server is ended.
    """
    if PROCESS in os.environ:  # serving.__main__ has set all of it
        return Server(int(os.environ[PROCESS]), Path(os.environ[HOME]), settings.model or "")
    parent = os.getppid()
    try:
        return _enlisted_by_bentoml(settings, parent)
    except (SettingsError, ParamsError) as error:
        log.error("%s", error)  # noqa: TRY400 a sentence, and no fault of this program
        os.kill(parent, signal.SIGTERM)  # or BentoML would start its workers for ever
        raise


def _enlisted_by_bentoml(settings: Settings, parent: int) -> Server:
    model = model_to_follow(settings)
    open_registry(settings, model)  # in the worker it would be too late to refuse
    export_environment(settings)
    folder = settings.home.resolve() / "serving"
    for file in folder.glob(f"{BENTOML}*/{FILE}"):
        with contextlib.suppress(OSError, ValueError):  # another worker deletes it, too
            if not ServerRecord.read(file).alive():
                shutil.rmtree(file.parent, ignore_errors=True)
    record = ServerRecord.of(model, f"bentoml serve, process {parent}", parent, settings.workers)
    home = folder / f"{BENTOML}{parent}-{record.started}"
    enlist(record, home)
    return Server(parent, home, model, by_bentoml=True)
