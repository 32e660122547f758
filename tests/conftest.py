import itertools
import multiprocessing
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from components.registry import connect
from components.settings import Settings
from flows import ports
from tests.prefect_server import give_database, make_database, serving
from tests.shelf import Shelf, copy_of

# On a busy machine any example may take long, and so may making them up. They are the same ones in every run, so that a
# change is refused for what it does; to look for others: pytest --hypothesis-profile=searching
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("searching", PATIENT, max_examples=2000, print_blob=True)
settings.register_profile("tunesmith", PATIENT, derandomize=True)
settings.load_profile("tunesmith")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--workspace",
        type=Path,
        help="ask tests/behaviour of the champion of this workspace, in which the line has run",
    )


def pytest_configure() -> None:
    """Two processes of the tests draw different ports: one that is drawn is free until its server has started."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = ports._SERVERS[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    ports._drawn = itertools.cycle(random.SystemRandom().sample(own, len(own)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take longest begin first: one process would end with them alone."""
    longest: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0.0), marker.args[0] if marker else 0.0)
    items.sort(key=lambda item: -longest[item.path])


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a registry that holds nothing."""
    settings = Settings(home=tmp_path_factory.mktemp("empty"))
    connect(settings)
    return settings.home / "mlflow.db"


@pytest.fixture
def shelf(empty_registry: Path, tmp_path: Path) -> Shelf:
    """A registry of the test's own."""
    return copy_of(empty_registry, tmp_path)


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a Prefect server that has seen nothing."""
    return make_database(tmp_path_factory.mktemp("prefect"))


@pytest.fixture(scope="session")
def prefect_api(prefect_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server that many lines may use."""
    with serving(give_database(prefect_database, tmp_path_factory.mktemp("prefect") / "shared")) as address:
        yield address


@pytest.fixture(scope="session")
def processes() -> multiprocessing.context.ForkServerContext:
    """Starts processes that have the slow imports behind them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow.store.model_registry.sqlalchemy_store", "tests.shelf"])
    return context


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of the tests, the same in every process of it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
