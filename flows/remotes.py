"""DVC's default remote: what the line lacks is pulled from it before a run, what the run made is pushed to it after.

It is named the usual way (``dvc remote add --default``); where there is none, nothing here does anything. A transfer is
one stage at a time, so that each can be told of, and so that one that breaks off leaves whole stages behind.
"""

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from components.errors import RemoteError
from components.files import write_text
from components.settings import Settings, without_userinfo
from flows.graph import open_graph, reasons, telling
from flows.runs import LOCK

CONNECT_SECONDS = 10
"""How long an S3 server has for each attempt to be reached; botocore's own minute, many times over, is too long."""
LOGGERS = ("dvc", "dvc_data", "dvc_objects")
Tell = Callable[[str], None]


def named() -> bool:
    """Whether a default remote is configured."""
    return _default() is not None


def unsent(settings: Settings) -> bool:
    """Whether there is a remote that has not confirmed all that dvc.lock tells of."""
    default = _default()
    return default is not None and _confirmed(settings) != _digest(*default)


def pull(settings: Settings, tell: Tell) -> str:
    """Brings what the line needs and has not here: outputs that still stand, and data of ``.dvc`` files.

    Args:
        settings: where it is kept that the remote has confirmed something.
        tell: is told of each transfer.

    Returns:
        A sentence about what came, and about what the remote does not have either.

    Raises:
        RemoteError: something is lacking, and the remote cannot be reached or breaks off.
    """
    told = [_bring(settings, wanted, tell) for find in (_outputs, _data) if (wanted := find())]
    return " ".join(told) or "Everything that the line needs is here."


def _bring(settings: Settings, wanted: list[str], tell: Tell) -> str:
    with _opened(settings) as remote:
        failed = f"What the line needs of {', '.join(wanted)} is not here, and cannot be pulled from {remote}"
        with _telling(failed, "Try again later; without the remote (dvc remote default --unset) it is made anew."):
            held = [name for name in wanted if remote.holds(name)]
            for name in held:
                tell(f"{name}, {remote.size([name])}")
                remote.pull(name)
            came = f"Pulled from {remote}: {', '.join(held)}; {remote.size(held)}." if held else ""
            lost = [name for name in wanted if name not in held]
            return f"{came} {remote} has nothing of {', '.join(lost)}.".lstrip() if lost else came


def push(settings: Settings, tell: Tell) -> str:
    """Hands over what dvc.lock tells of, and the data of ``.dvc`` files that the line reads, where it is not there yet.

    Args:
        settings: where it is kept that the remote has confirmed it.
        tell: is told of each transfer.

    Returns:
        A sentence about what went.

    Raises:
        RemoteError: the remote cannot be reached or breaks off; says what it does not have.
    """
    with open_graph() as graph:
        names = [*dict.fromkeys(name for stage in graph.stages for name in (*stage.tracked, stage.name))]
    with _opened(settings) as remote:
        sent: list[str] = []
        for index, name in enumerate(names):
            failed = f"What was made is kept here, but {', '.join(names[index:])} may not be in {remote}"
            with _telling(failed, "The next 'tunesmith run' pushes it, and so does 'dvc push'."):
                if not remote.holds(name):
                    tell(f"{name}, {remote.size([name])}")
                    remote.push(name)
                    sent.append(name)
    write_text(_record(settings), _digest(*(_default() or ("", ""))))
    return f"Pushed to {remote}: {', '.join(sent)}; {remote.size(sent)}." if sent else f"{remote} has everything."


def _outputs() -> list[str]:
    """The stages whose outputs are not here, and still stand."""
    with open_graph() as graph:
        return list(graph.lacking())


def _data() -> list[str]:
    """The ``.dvc`` files of data that are not here, and that a stage that will run reads."""
    with open_graph() as graph:
        tracked = [name for stage in graph.stages if graph.changes(stage.name) for name in stage.tracked]
    return [name for name in dict.fromkeys(tracked) if not Path(name).with_suffix("").exists()]


class _Remote:
    """The remote of an open repository; what is named is a stage of dvc.yaml or a ``.dvc`` file."""

    def __init__(self, repo: Any) -> None:
        name = repo.config["core"]["remote"]
        options = repo.config["remote"].get(name, {})
        url = str(options.get("url", ""))
        if url.startswith("s3:"):
            options.setdefault("connect_timeout", CONNECT_SECONDS)
        self._repo = repo
        self._shown = f"remote {name} ({without_userinfo(url)})"

    def __str__(self) -> str:
        return self._shown

    def holds(self, name: str) -> bool:
        """Whether every output is there; of a folder, the listing comes last."""
        store = self._repo.cloud.get_remote_odb()
        try:
            for out in self._outs(name):  # exists() would say of an unreachable server that it does not have it
                store.fs.info(store.oid_to_path(out.hash_info.value))
        except FileNotFoundError as error:
            if error.__cause__ is not None:  # the store says more than that it lacks a file: there is no such bucket
                raise
            return False
        return True

    def require_mounted(self) -> None:
        """Makes sure that a folder that has taken something is still there: it may be one that is mounted.

        Raises:
            RemoteError: it is not.
        """
        store = self._repo.cloud.get_remote_odb()
        if store.fs.protocol == "local" and not Path(store.path).is_dir():
            raise RemoteError(f"{self} has taken what was made before, and is not there: is it mounted?")

    def pull(self, name: str) -> None:
        self._repo.pull([name])

    def push(self, name: str) -> None:
        self._repo.push([name])
        if not self.holds(name):  # DVC passes over what its cache does not have
            raise RemoteError(f"{name} is not whole in DVC's cache.")

    def size(self, names: Iterable[str]) -> str:
        bytes_ = sum(out.meta.size or 0 for name in names for out in self._outs(name))
        return f"{bytes_ / 1e6:.1f} MB"

    def _outs(self, name: str) -> list[Any]:
        return [out for stage in self._repo.index.stages if stage.addressing == name for out in stage.outs]


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[_Remote]:
    from dvc.repo import Repo

    with Repo(_wait_for_lock=True) as repo:
        remote = _Remote(repo)
        if _confirmed(settings).startswith(_place(*(_default() or ("", "")))):
            remote.require_mounted()
        yield remote


@contextlib.contextmanager
def _telling(failed: str, advice: str) -> Iterator[None]:
    """Makes sentences of the faults of a remote, whatever library raises them."""
    with _Complaints.heard() as complaints:
        try:
            yield
        except Exception as error:  # each kind of remote has a library, and each library errors, of its own
            said = " ".join(dict.fromkeys([*complaints.sentences, reasons(error)]))
            raise RemoteError(f"{failed}: {said} {advice}") from error


class _Complaints(logging.Handler):
    """What DVC complains of while it transfers; of the reason of a failure its errors say only that there was one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = f"{record.getMessage()}: {record.exc_info[1]}" if record.exc_info else record.getMessage()
        self.sentences.append(said.rstrip(".") + ".")

    @classmethod
    @contextlib.contextmanager
    def heard(cls) -> Iterator[Self]:
        complaints, loggers = cls(), [logging.getLogger(name) for name in LOGGERS]
        handlers = [logger.handlers for logger in loggers]
        for logger in loggers:
            logger.handlers = [complaints]
        try:
            yield complaints
        finally:
            for logger, before in zip(loggers, handlers, strict=True):
                logger.handlers = before


def _default() -> tuple[str, str] | None:
    """Name and address of the default remote."""
    from dvc.config import Config

    with telling():
        config = Config(".dvc")
    name = config["core"].get("remote")
    return None if name is None else (name, str(config["remote"].get(name, {}).get("url", "")))


def _digest(name: str, url: str) -> str:
    """Of where something was to be pushed, and of what."""
    made = LOCK.read_bytes() if LOCK.exists() else b""
    return f"{_place(name, url)}\n{hashlib.sha256(made).hexdigest()}\n"


def _place(name: str, url: str) -> str:
    return hashlib.sha256(f"{name}\n{url}".encode()).hexdigest()


def _record(settings: Settings) -> Path:
    return settings.home / "pushed"


def _confirmed(settings: Settings) -> str:
    """The digest of what was pushed last; empty: nothing was."""
    record = _record(settings)
    return record.read_text(encoding="utf-8") if record.exists() else ""
