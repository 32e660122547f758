"""Reaching MLflow: the embedded SQLite store, made on first use, or a tracking server."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten
from typing import Any

from filelock import FileLock

from components.errors import RegistryError
from components.full_disk import told_of_full_disk
from components.settings import Settings, without_userinfo

QUIET = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # MLflow's own patience with a server that is gone is minutes
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

DATABASE = "mlflow.db"
LONGEST = 400
"""Characters of what MLflow says that a person is told."""
CHATTY = {"alembic": logging.WARNING, "mlflow": logging.WARNING, "urllib3.connectionpool": logging.ERROR}


def connect(settings: Settings) -> Any:
    """An MlflowClient that has reached its store.

    The embedded store's tables are made on first use, by one process at a time.

    Raises:
        RegistryError: the store cannot be reached.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name, level in CHATTY.items():
        logging.getLogger(name).setLevel(level)
    address = settings.tracking_address
    with telling(settings), _alone(settings):
        if settings.tracking_uri is None:
            _make_database(settings.home / DATABASE)
        client = MlflowClient(tracking_uri=address, registry_uri=address)
        client.search_experiments(max_results=1)
    return client


def _make_database(place: Path) -> None:
    """Makes the embedded store whole or not at all: tables half made would stop every later run."""
    if place.exists():
        return
    from mlflow import MlflowClient

    begun = place.with_name(f"{place.name}.new").resolve()
    begun.unlink(missing_ok=True)
    address = f"sqlite:///{begun}"
    MlflowClient(tracking_uri=address, registry_uri=address).search_experiments(max_results=1)
    begun.replace(place)


def experiment_id(client: Any, settings: Settings, name: str) -> str:
    """The experiment of a model name, made on first use.

    A server decides for itself where its artifacts lie; with a database they are kept in ``settings.artifact_root``.

    Raises:
        RegistryError: the experiment was deleted, or the store cannot be reached.
    """
    served = settings.tracking_address.startswith(("http://", "https://"))
    place = None if served else (settings.artifact_root / name).as_uri()
    with telling(settings), _alone(settings):
        found = client.get_experiment_by_name(name)
        if found is None:
            return str(client.create_experiment(name, artifact_location=place))
    if found.lifecycle_stage != "active":
        raise RegistryError(
            f"The MLflow experiment '{name}' was deleted. Bring it back with "
            f"'mlflow experiments restore --experiment-id {found.experiment_id}', or choose another name in "
            "params.yaml."
        )
    return str(found.experiment_id)


@contextlib.contextmanager
def telling(settings: Settings) -> Iterator[None]:
    """Turns what MLflow raises into a sentence for a person.

    Raises:
        RegistryError: in place of what MLflow, its database or the operating system raised.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ModuleNotFoundError) as error:  # the last: a database's driver
        if told := told_of_full_disk(error, settings.home):
            raise RegistryError(told) from None
        raise RegistryError(
            without_userinfo(
                f"The registry at {settings.tracking_address} did not do what was asked: {_sentence(error)} "
                "Check TUNESMITH_TRACKING_URI, and that the server runs and lets you in."
            )
        ) from None


def _sentence(error: BaseException) -> str:
    """The first line of what was raised, with an end."""
    said = shorten((str(error).strip() or type(error).__name__).splitlines()[0], LONGEST, placeholder=" …")
    return said if said.endswith((".", "…")) else f"{said}."


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keeps two processes of this machine from making the same table or experiment at once."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "mlflow.lock"):
        yield
