from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.running import Running, running
from tests.shelf import Shelf, copy_of


@pytest.fixture(scope="module")
def shared_shelf(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A registry whose champion has no bias."""
    shelf = copy_of(empty_registry, tmp_path_factory.mktemp("shared"))
    shelf.promote(shelf.publish(0.0))
    return shelf


@pytest.fixture(scope="module")
def server(shared_shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of the shared registry, with small limits."""
    limits = {"max_body_bytes": 2**20, "max_pixels": 4_000_000, "max_batch": 32}
    with running(shared_shelf.settings, tmp_path_factory.mktemp("server"), **limits) as server:
        yield server
