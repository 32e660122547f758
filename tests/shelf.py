"""A real registry on SQLite with real packages in it."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from components.files import file_sha256
from components.package.model import MODEL
from components.registry import CHAMPION, Registry, experiment_id
from components.settings import Settings
from tests.package_factory import make_package

NAME = "digits"


class Shelf:
    """Registers packages under one name, each of another bias."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.registry = Registry(settings, NAME)
        self._folder = folder

    def package(self, bias: float) -> Path:
        """The folder that was registered for a bias."""
        return self._folder / f"package-{bias}"

    def stored(self, version: int) -> Path:
        """Where the registry keeps the files of a version."""
        return Path(self.registry.version(version).source.removeprefix("file://"))

    def publish(self, bias: float) -> int:
        """Makes and registers a package; it is not the champion yet."""
        folder = self.package(bias)
        digest = make_package(folder, self.settings, bias=bias)
        return self.register(folder, digest)

    def register(self, folder: Path, digest: str) -> int:
        """Registers a folder as it is."""
        client = self.registry.client
        run = client.create_run(experiment_id(client, self.settings, NAME)).info
        client.log_artifacts(run.run_id, str(folder), "package")
        tags = {"digest": digest, "graph": file_sha256(folder / MODEL)}
        return self.registry.add_version(f"{run.artifact_uri}/package", run.run_id, tags)

    def promote(self, version: int) -> int:
        """Moves the alias."""
        self.registry.set_alias(CHAMPION, version)
        return version

    def demote(self) -> None:
        """Takes the alias away."""
        self.registry.client.delete_registered_model_alias(NAME, CHAMPION)


def copy_of(empty: Path, folder: Path, **more: object) -> Shelf:
    """A shelf of its own, begun from the tables of an empty one (making those takes seconds)."""
    settings = Settings(home=folder / "home", **more)  # type: ignore[arg-type]
    settings.home.mkdir(parents=True)
    shutil.copyfile(empty, settings.home / "mlflow.db")
    return Shelf(settings, folder)


def beside(shelf: Shelf, empty: Path, folder: Path) -> Shelf:
    """Another registry that the same home folder serves, as that of a stack does; it numbers its versions from 1."""
    database = folder / "beside.db"
    shutil.copyfile(empty, database)
    settings = shelf.settings.model_copy(update={"tracking_uri": f"sqlite:///{database}"})
    return Shelf(settings, folder / "beside")


def answers(package: Path, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """What ONNX Runtime says when it is asked directly: (samples, width of the target)."""
    session = onnxruntime.InferenceSession(package / MODEL, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run([session.get_outputs()[0].name], {"inputs": inputs})[0]
    return found
