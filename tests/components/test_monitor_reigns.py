"""What of the windows before counts when another version has been champion meanwhile."""

from pathlib import Path

import pytest

from components.monitor import JudgedWindow, Waiting, monitor
from tests.shelf import Shelf, beside
from tests.traffic import WINDOW, log_answers, log_requests, watching


def judged(shelf: Shelf) -> JudgedWindow:
    found = monitor(watching(), shelf.settings)
    assert isinstance(found, JudgedWindow), found.sentence()
    return found


def test_a_version_that_a_rollback_brings_back_begins_without_alarms(shelf: Shelf) -> None:
    first, second = shelf.publish(0.0), shelf.publish(0.05)
    shelf.promote(first)
    log_answers(shelf, first, drifted=True)
    assert "inputs" in judged(shelf).raised
    shelf.promote(second)
    log_answers(shelf, second, drifted=True)
    assert "inputs" in judged(shelf).raised

    shelf.promote(first)
    back = monitor(watching(), shelf.settings)
    assert isinstance(back, Waiting)
    assert back.samples == 0, "what it had answered before was judged then"
    log_answers(shelf, first, drifted=True)
    assert "inputs" in judged(shelf).raised, "it drifts in this reign as it did in the one before"


def test_a_version_of_another_registry_with_the_same_number_is_another_version(
    shelf: Shelf, empty_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where MLflow would put the files of a registry that does not say where
    other = beside(shelf, empty_registry, tmp_path)
    embedded, stacked = shelf.promote(shelf.publish(0.0)), other.promote(other.publish(0.05))
    assert embedded == stacked == 1
    log_answers(shelf, embedded, drifted=True)
    assert "inputs" in judged(shelf).standing

    waiting = monitor(watching(), other.settings)
    assert isinstance(waiting, Waiting)
    assert waiting.samples == 0, "those answers are the other one's"
    log_answers(other, stacked)
    found = judged(other)
    assert (found.standing, found.package) == ((), other.registry.version(stacked).digest)


def test_failed_requests_of_another_version_are_not_counted(shelf: Shelf) -> None:
    first, second = shelf.publish(0.0), shelf.publish(0.05)
    shelf.promote(first)
    log_answers(shelf, first)
    judged(shelf)
    shelf.promote(second)
    log_requests(shelf, 500, 900)
    log_answers(shelf, second)
    log_requests(shelf, 200, 100)
    assert judged(shelf).requests == 100, "the others were before its first answer"

    log_requests(shelf, 500, 900)  # after its last window, which is no window of the version that comes back
    shelf.promote(first)
    log_answers(shelf, first)
    log_requests(shelf, 200, WINDOW)
    back = judged(shelf)
    assert (back.requests, "errors" in back.firing) == (WINDOW, False)


def test_an_outage_between_two_windows_is_counted(shelf: Shelf) -> None:
    version = shelf.promote(shelf.publish(0.0))
    log_answers(shelf, version)
    judged(shelf)
    log_requests(shelf, 500, 50)
    log_answers(shelf, version)
    log_requests(shelf, 200, WINDOW)
    found = judged(shelf)
    assert (found.requests, "errors" in found.raised) == (WINDOW + 50, True)
