"""The folder of a reproduction: what lies where in it, whose it is, and what is done already."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from pydantic import ValidationError

from components.contracts import Record
from components.errors import LineageError, WorkspaceBusy
from components.files import whole_folder
from components.settings import Settings
from flows.reproduction.origin import Origin
from flows.runs import StageResult


class Journal(Record):
    """What a reproduction has come to: ``reproduction.json`` of its folder."""

    name: str
    version: int
    digest: str
    """Of the registered package."""
    stages: tuple[StageResult, ...] = ()
    """Those that have run to their end, or were restored."""

    def with_stage(self, result: StageResult) -> Self:
        """The same with one more stage, or with a stage that has ended again."""
        kept = [one for one in self.stages if one.stage != result.stage]
        return self.model_copy(update={"stages": (*kept, result)})

    def result(self, stage: str) -> StageResult | None:
        """How a stage ended, if it did."""
        return next((one for one in self.stages if one.stage == stage), None)


@dataclass(frozen=True)
class Place:
    """A folder of a reproduction.

    Attributes:
        folder: an absolute path.
    """

    folder: Path

    @classmethod
    def of(cls, settings: Settings, name: str, number: int, into: Path | None) -> Self:
        """The folder that a person has named, or one in the home folder."""
        return cls((into or settings.home / "reproductions" / f"{name}-{number}").resolve())

    @property
    def registered(self) -> Path:
        """The package that is to be made again."""
        return self.folder / "registered"

    @property
    def repository(self) -> Path:
        """The clone."""
        return self.folder / "repository"

    @property
    def record(self) -> Path:
        """The journal."""
        return self.folder / "reproduction.json"

    @contextlib.contextmanager
    def claimed(self, origin: Origin) -> Iterator[Journal]:
        """Holds the folder for this process, and yields what was done in it before.

        Args:
            origin: of which the package is copied into the folder.

        Raises:
            LineageError: the folder is somebody else's.
            WorkspaceBusy: another process is at work in it.
        """
        journal = self._journal(origin)
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise WorkspaceBusy(f"{origin.title} is being reproduced in {self.folder} already.") from None
        try:
            journal.write(self.record)
            with whole_folder(self.registered) as fresh:
                shutil.copytree(origin.package.folder, fresh, dirs_exist_ok=True)
            yield journal
        finally:
            lock.release()

    def _journal(self, origin: Origin) -> Journal:
        new = Journal(name=origin.name, version=origin.version, digest=origin.digest)
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return new
        try:
            found = Journal.read(self.record)
        except (OSError, ValidationError, ValueError):
            raise LineageError(
                f"{self.folder} is not empty, and holds no reproduction. Name another folder with --into."
            ) from None
        if (found.name, found.version, found.digest) != (new.name, new.version, new.digest):
            raise LineageError(
                f"{self.folder} holds a reproduction of version {found.version} of '{found.name}', package "
                f"{found.digest[:12]}…, and not of package {new.digest[:12]}…. Name another folder with --into, or "
                "delete that one."
            )
        return found
