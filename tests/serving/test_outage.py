"""A worker or a server that starts while the registry gives it nothing begins with what this machine has kept."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.package.model import MODEL
from serving.follow import Follower
from serving.registry import open_registry
from tests.following import follower_of
from tests.serving.running import running, wait_for
from tests.serving.test_follow import change_a_golden_answer
from tests.serving.test_swap import ONE, workers_of
from tests.shelf import NAME, Shelf


def starting(shelf: Shelf) -> Follower:
    """A worker that starts: it has no version yet."""
    return follower_of(open_registry(shelf.settings, NAME), shelf.settings, shelf.settings.home / "server")


def kept(shelf: Shelf) -> list[str]:
    """Packages that the machine has."""
    return [entry.name for entry in (shelf.settings.home / "server" / "packages").iterdir() if entry.is_dir()]


@contextlib.contextmanager
def outage(shelf: Shelf) -> Iterator[None]:
    """The registry cannot be read, and the packages are not there."""
    database, files = shelf.settings.home / "mlflow.db", shelf.settings.home / "artifacts"
    content = database.read_bytes()
    files.rename(files.with_suffix(".away"))
    database.write_bytes(b"no database at all" * 1000)
    yield
    database.write_bytes(content)
    files.with_suffix(".away").rename(files)


def test_a_worker_begins_with_what_was_served_last_and_follows_again(shelf: Shelf) -> None:
    first, second = shelf.promote(shelf.publish(0.0)), shelf.publish(3.0)
    starting(shelf).look()
    worker = starting(shelf)
    with outage(shelf):
        for _ in range(2):
            worker.look()
            assert worker.version() == first
            assert "cannot be read" in str(worker.following.error)
    model = worker.model
    worker.look()
    assert worker.following.error is None
    assert worker.model is model, "the same champion is not loaded again"
    shelf.promote(second)
    worker.look()
    assert worker.version() == second


def test_a_worker_begins_with_it_while_the_champion_is_one_that_it_rejects(shelf: Shelf, tmp_path: Path) -> None:
    good = shelf.promote(shelf.publish(0.0))
    starting(shelf).look()
    bad = change_a_golden_answer(shelf, tmp_path)
    worker = starting(shelf)
    worker.look()
    assert worker.version() == good
    assert worker.following.rejected == bad


def test_what_is_damaged_on_this_machine_is_not_served_and_fetched_anew(shelf: Shelf) -> None:
    version = shelf.promote(shelf.publish(0.0))
    starting(shelf).look()
    graph = shelf.settings.home / "server" / "packages" / kept(shelf)[0] / MODEL
    graph.write_bytes(graph.read_bytes()[:-1])
    worker = starting(shelf)
    with outage(shelf):
        worker.look()
        assert worker.version() is None
        assert "cannot be read" in str(worker.following.error)
    worker.look()
    assert worker.version() == version


def test_what_is_damaged_on_this_machine_costs_a_worker_that_starts_no_answer(shelf: Shelf) -> None:
    """The server has tried the package while it was whole; the registry has it still."""
    version = shelf.promote(shelf.publish(0.0))
    starting(shelf).look()
    graph = shelf.settings.home / "server" / "packages" / kept(shelf)[0] / MODEL
    graph.write_bytes(graph.read_bytes()[:-1])
    worker = starting(shelf)
    worker.look()
    assert worker.following.error is None
    assert worker.version() == version


def test_without_a_champion_nothing_is_begun_with(shelf: Shelf) -> None:
    shelf.promote(shelf.publish(0.0))
    starting(shelf).look()
    shelf.demote()
    worker = starting(shelf)
    worker.look()
    assert worker.version() is None, "nobody wants it served"


def test_what_was_served_from_another_registry_is_not_begun_with(shelf: Shelf) -> None:
    shelf.promote(shelf.publish(0.0))
    starting(shelf).look()
    elsewhere = shelf.settings.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    worker = follower_of(open_registry(elsewhere, NAME), elsewhere, shelf.settings.home / "server")
    worker.look()
    assert worker.version() is None
    assert "cannot be asked" in str(worker.following.error)


def test_the_disk_holds_the_champion_and_at_most_one_more(shelf: Shelf) -> None:
    worker = starting(shelf)
    for bias in (0.0, 1.0, 2.0, 3.0):
        version = shelf.promote(shelf.publish(bias))
        worker.look()
        assert worker.version() == version
        assert len(kept(shelf)) <= 2
    after_all = starting(shelf)
    with outage(shelf):
        after_all.look()
        assert after_all.version() == version


@pytest.mark.slow
def test_servers_and_workers_that_start_during_an_outage_answer(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path, workers=2) as server, outage(shelf):
        dead = workers_of(server)[0]
        os.kill(int(dead), signal.SIGKILL)
        wait_for(lambda: dead not in workers_of(server), "the dead worker is noticed")
        wait_for(lambda: len(server.model()["workers"]["states"]) == 2, "another one in its place")
        assert [state["version"] for state in server.model()["workers"]["states"]] == [version] * 2
        assert {server.post("/predict", *ONE).status_code for _ in range(40)} == {200}
        wait_for(lambda: "tunesmith_following 0.0" in server.get("/metrics").text, "that it does not follow")
    with outage(shelf), running(shelf.settings, tmp_path) as server:
        assert server.said(f"serves {NAME} version {version}")
        assert server.post("/predict", *ONE).status_code == 200
        assert "cannot be read" in server.model()["following"]["error"]
