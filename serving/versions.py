"""From a version in the registry to a model that answers: fetched, verified, tried apart, proven."""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.contracts import Record
from components.errors import PackageError
from components.package.model import GOLDEN, MODEL
from serving.model import ServedModel, load_model
from serving.packages import Packages, require_registered
from serving.proving import prove
from serving.registry import Holder, Registry

DIGEST = re.compile("[0-9a-f]{64}")


class Trial(Record):
    """What came of trying a package: read by the other workers of a server, so that one of them does it."""

    fault: str | None
    """Why it must not be served; None: it may be opened."""
    ended: float
    """In seconds since 1970."""


@dataclass(frozen=True)
class Versions:
    """The versions of one registered model.

    Attributes:
        packages: those of them that this machine has.
        trials: folder of what this server has found of them; a server that is started anew tries them anew.
        max_batch: largest inference.
        patience: seconds that the trial of one may take.
    """

    packages: Packages
    trials: Path
    max_batch: int
    patience: float

    @property
    def registry(self) -> Registry:
        """Where they are."""
        return self.packages.registry

    def load(self, holder: Holder, *, keep: bool = False) -> ServedModel:
        """Lets no version through that is not what was registered, or that harms the process which asks it.

        Args:
            holder: the version; fetched if this machine does not have its package.
            keep: a server that cannot reach the registry is to start from it.

        Raises:
            RegistryError: it cannot be fetched.
            PackageError: it is damaged, crashes, takes too long, or does not answer as its maker said.
            OSError: the disk is full.
        """
        digest, began = _digest(holder), time.time()
        while True:
            with self.packages.locked(alone=False):
                if self._is_tried(digest):
                    return self._open(holder, digest, keep)
            with self.packages.locked(alone=True):
                self._try(holder, digest, began)

    def _is_tried(self, digest: str) -> bool:
        trial = self._trial(digest)
        return trial is not None and trial.fault is None and self.packages.has(digest)

    def _try(self, holder: Holder, digest: str, began: float) -> None:
        trial = self._trial(digest)
        if trial and trial.fault and trial.ended > began:  # another worker has tried it while this one waited
            raise PackageError(trial.fault)
        if self._is_tried(digest):
            return
        folder = self.packages.obtain(holder, digest)
        with self._noting(digest):
            prove(folder / MODEL, folder / GOLDEN, self.max_batch, self.patience)
        self._note(digest, None)

    def _open(self, holder: Holder, digest: str, keep: bool) -> ServedModel:
        with self._noting(digest):
            model = load_model(self.packages.place(digest), holder.version, self.packages.trusted, self.max_batch)
            require_registered(model.digest, digest)
        if keep:
            self.packages.keep(holder, digest)
        return model

    @contextlib.contextmanager
    def _noting(self, digest: str) -> Iterator[None]:
        try:
            yield
        except PackageError as error:
            self._note(digest, str(error))
            raise

    def _note(self, digest: str, fault: str | None) -> None:
        Trial(fault=fault, ended=time.time()).write(self.trials / f"{digest}.json")

    def _trial(self, digest: str) -> Trial | None:
        with contextlib.suppress(FileNotFoundError):
            return Trial.read(self.trials / f"{digest}.json")
        return None


def _digest(holder: Holder) -> str:
    """Of the package that was registered; it names a folder here.

    Raises:
        PackageError: there is none.
    """
    if not DIGEST.fullmatch(holder.digest or ""):
        raise PackageError(f"It has the digest {holder.digest!r}, which is none. Register the model again.")
    return str(holder.digest)
