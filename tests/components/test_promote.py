import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.errors import PromotionRefused, RegistryError
from components.promote import Event, Journal, history, promote, rollback
from components.promote.mover import Mover
from components.registry import CANARY, CHAMPION, ROLLED_BACK, Registry
from components.settings import Settings
from flows.ports import free_port
from tests.shelf import NAME, Shelf, beside

ROUNDS = 12


@pytest.fixture
def three(shelf: Shelf) -> Settings:
    """A registry with three versions and no champion."""
    for bias in (0.0, 1.0, 2.0):
        shelf.publish(bias)
    return shelf.settings


def champion(settings: Settings) -> int | None:
    return Registry(settings, NAME).champion()


def steps(settings: Settings) -> list[tuple[str, str, int | None, int]]:
    return [(event.action, event.step, event.before, event.after) for event in history(settings, NAME)]


def test_a_promotion_moves_the_alias_and_is_written_down(three: Settings) -> None:
    figures = {"accuracy": {"challenger": 0.9}}
    promotion = promote(three, NAME, 2, expected=None, reason="It is better.", figures=figures)
    assert promotion.moved
    assert champion(three) == 2
    assert promotion.sentence() == "Version 2 of 'digits' is the champion: It is better."
    intent, done = history(three, NAME)
    assert (intent.step, done.step, intent.move) == ("intent", "done", done.move)
    assert (done.before, done.after, done.reason, done.figures) == (None, 2, "It is better.", figures)
    assert "@" in done.who
    assert intent.time <= done.time


def test_a_rollback_goes_back_by_the_moves_of_its_own_registry(
    three: Settings, shelf: Shelf, empty_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where MLflow would put the files of a registry that does not say where
    other = beside(shelf, empty_registry, tmp_path)
    for bias in (3.0, 4.0):
        other.publish(bias)
    promote(three, NAME, 1, None, "first")
    promote(three, NAME, 2, 1, "second")
    promote(other.settings, NAME, 1, None, "first of the stack's")
    with pytest.raises(PromotionRefused, match="does not say which version of 'digits' was champion before version 1"):
        rollback(other.settings, NAME, "There was none.")
    promote(other.settings, NAME, 2, 1, "second of the stack's")
    assert rollback(three, NAME, "It was worse.").after == 1
    assert (champion(three), champion(other.settings)) == (1, 2)
    assert len(history(other.settings, NAME)) == 4


def test_another_champion_than_expected_refuses(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    promote(three, NAME, 2, 1, "second")
    with pytest.raises(PromotionRefused, match="compared with version 1, but by now version 2 is the champion"):
        promote(three, NAME, 3, 1, "late")
    with pytest.raises(PromotionRefused, match="compared with no version, but by now version 2"):
        promote(three, NAME, 3, None, "later")
    assert champion(three) == 2
    assert len(history(three, NAME)) == 4


def test_the_champion_is_not_promoted_again(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    again = promote(three, NAME, 1, None, "again")
    assert not again.moved
    assert again.sentence() == "Version 1 of 'digits' is the champion already."
    assert len(history(three, NAME)) == 2


def test_a_package_that_does_not_verify_is_refused(shelf: Shelf) -> None:
    version = shelf.publish(0.0)
    (shelf.stored(version) / "card.md").write_text("This model is perfect.")
    with pytest.raises(PromotionRefused, match=r"must not be served: .*card\.md is damaged"):
        promote(shelf.settings, NAME, version, None, "why not")
    assert champion(shelf.settings) is None
    assert history(shelf.settings, NAME) == []


def test_a_version_that_is_not_there_is_refused(three: Settings) -> None:
    with pytest.raises(RegistryError, match="no version 9"):
        promote(three, NAME, 9, None, "why not")
    assert history(three, NAME) == []


def test_rollback_goes_back_through_the_champions_and_no_further(three: Settings) -> None:
    for version, before in ((1, None), (2, 1), (3, 2)):
        promote(three, NAME, version, before, "better")
    assert rollback(three, NAME, "it was wrong about bags").after == 2
    assert champion(three) == 2
    assert rollback(three, NAME, "so was that").after == 1
    with pytest.raises(PromotionRefused, match="does not say which version of 'digits' was champion before version 1"):
        rollback(three, NAME, "and that")
    promote(three, NAME, 3, 1, "after all")
    assert rollback(three, NAME, "no").after == 1
    assert steps(three)[-2:] == [("rollback", "intent", 3, 1), ("rollback", "done", 3, 1)]


def mark(settings: Settings, version: int) -> str | None:
    return Registry(settings, NAME).version(version).tags.get(ROLLED_BACK)


def test_a_version_that_was_rolled_back_says_why_until_it_is_champion_again(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    promote(three, NAME, 2, 1, "second")
    rollback(three, NAME, "complaints about bags")
    assert mark(three, 2) == "complaints about bags"
    assert mark(three, 1) is None
    promote(three, NAME, 2, 1, "the bags were mislabelled")
    assert mark(three, 2) is None


@pytest.mark.parametrize(("alias_moved", "marked"), [(True, "killed"), (False, None)])
def test_a_rollback_killed_half_way_leaves_the_mark_that_the_alias_shows(
    three: Settings, alias_moved: bool, marked: str | None
) -> None:
    promote(three, NAME, 1, None, "first")
    promote(three, NAME, 2, 1, "second")
    Journal(three.home).append(Event.intent("rollback", Registry(three, NAME), 2, 1, "killed"))
    registry = Registry(three, NAME)
    registry.set_tag(2, ROLLED_BACK, "killed")
    if alias_moved:
        registry.set_alias(CHAMPION, 1)
    promote(three, NAME, 3, 1 if alias_moved else 2, "next")
    assert mark(three, 2) == marked


def killed_while_rolling_back(settings: Settings) -> None:
    Registry.set_alias = lambda self, alias, number: die()  # type: ignore[method-assign]
    rollback(settings, NAME, "complaints")


@pytest.mark.slow
def test_the_mark_is_set_before_the_alias_moves(
    three: Settings, processes: multiprocessing.context.ForkServerContext
) -> None:
    promote(three, NAME, 1, None, "first")
    promote(three, NAME, 2, 1, "second")
    process = processes.Process(target=killed_while_rolling_back, args=(three,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert mark(three, 2) == "complaints"


def test_rollback_without_a_champion_is_refused(three: Settings) -> None:
    with pytest.raises(PromotionRefused, match="no champion"):
        rollback(three, NAME, "to be sure")


def test_a_rollback_to_a_version_that_was_removed_says_what_to_do(three: Settings) -> None:
    promote(three, NAME, 1, None, "the first")
    promote(three, NAME, 2, 1, "better")
    promote(three, NAME, 3, 2, "better still")
    Registry(three, NAME).client.delete_model_version(NAME, "2")
    with pytest.raises(PromotionRefused, match=r"Version 2 .* before version 3, and is not .* has 3, 1\. Name the one"):
        rollback(three, NAME, "worse")
    assert Registry(three, NAME).champion() == 3


def test_a_champion_that_came_by_another_way_can_be_gone_back_to_but_not_from(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    Registry(three, NAME).set_alias(CHAMPION, 2)
    with pytest.raises(PromotionRefused, match="Name the one that you want"):
        rollback(three, NAME, "who did that")
    promote(three, NAME, 3, 2, "better")
    assert rollback(three, NAME, "no").after == 2
    assert rollback(three, NAME, "no").after == 1


def test_each_model_has_a_history_of_its_own(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    assert history(three, "another") == []


def test_the_end_of_a_line_that_was_never_written_is_cut_off(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    journal = three.home / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"move": "half a li')
    assert len(history(three, NAME)) == 2
    promote(three, NAME, 2, 1, "second")
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 4


def test_a_changed_journal_is_an_error_that_names_the_line(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    journal = three.home / "journal.jsonl"
    journal.write_text("never mind\n" + journal.read_text())
    with pytest.raises(RegistryError, match=r"journal\.jsonl:1 is not an event"):
        rollback(three, NAME, "try")


@pytest.mark.parametrize(("alias_moved", "end"), [(True, "done"), (False, "abandoned")])
def test_an_intent_without_its_end_gets_the_one_that_the_alias_shows(
    three: Settings, alias_moved: bool, end: str
) -> None:
    promote(three, NAME, 1, None, "first")
    Journal(three.home).append(Event.intent("promote", Registry(three, NAME), 1, 2, "killed"))
    if alias_moved:
        Registry(three, NAME).set_alias(CHAMPION, 2)
    promote(three, NAME, 3, 2 if alias_moved else 1, "next")
    assert steps(three)[2:4] == [("promote", "intent", 1, 2), ("promote", end, 1, 2)]
    assert rollback(three, NAME, "back").after == (2 if alias_moved else 1)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_before_the_alias_moves(settings: Settings) -> None:
    Registry.set_alias = lambda self, alias, number: die()  # type: ignore[method-assign]
    promote(settings, NAME, 2, 1, "killed before")


def killed_after_the_alias_moved(settings: Settings) -> None:
    move = Registry.set_alias

    def move_and_die(self: Registry, alias: str, number: int) -> None:
        move(self, alias, number)
        die()

    Registry.set_alias = move_and_die  # type: ignore[method-assign]
    promote(settings, NAME, 2, 1, "killed after")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("killed", "now", "end"),
    [(killed_before_the_alias_moves, 1, "abandoned"), (killed_after_the_alias_moved, 2, "done")],
)
def test_a_promotion_killed_half_way_is_set_right_by_the_next_call(
    three: Settings, processes: multiprocessing.context.ForkServerContext, killed: object, now: int, end: str
) -> None:
    promote(three, NAME, 1, None, "first")
    process = processes.Process(target=killed, args=(three,))  # type: ignore[arg-type]
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert champion(three) == now
    assert promote(three, NAME, 3, now, "next").moved
    assert steps(three)[2:4] == [("promote", "intent", 1, 2), ("promote", end, 1, 2)]


def race(
    settings: Settings,
    versions: tuple[int, int],
    ready: "multiprocessing.synchronize.Barrier",
    won: "Queue[tuple[int, int]]",
) -> None:
    """Promotes one of its versions in every round, against the champion that all see before any of them moves."""
    for turn in range(ROUNDS):
        seen = champion(settings)
        version = versions[1] if seen == versions[0] else versions[0]
        ready.wait()
        try:
            promote(settings, NAME, version, seen, f"round {turn}")
            won.put((turn, version))
        except PromotionRefused:
            pass
        ready.wait()


@pytest.mark.slow
def test_of_two_promotions_at_once_exactly_one_wins(
    three: Settings, shelf: Shelf, processes: multiprocessing.context.ForkServerContext
) -> None:
    for bias in (3.0, 4.0):
        shelf.publish(bias)
    promote(three, NAME, 1, None, "first")
    ready, won = processes.Barrier(2), processes.Queue()
    racers = [processes.Process(target=race, args=(three, versions, ready, won)) for versions in ((2, 3), (4, 5))]
    for racer in racers:
        racer.start()
    winners = dict(won.get(timeout=120) for _ in range(ROUNDS))
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert won.empty()
    assert sorted(winners) == list(range(ROUNDS))
    moves = [event for event in history(three, NAME) if event.step == "done"]
    assert [event.after for event in moves] == [1, *(winners[turn] for turn in range(ROUNDS))]
    assert all(earlier.after == later.before for earlier, later in itertools.pairwise(moves))
    assert champion(three) == winners[ROUNDS - 1]


def unserved(settings: Settings, seconds: float) -> Settings:
    """The same, with a server that never answers: every move is taken back."""
    gone = f"http://127.0.0.1:{free_port()}"
    return settings.model_copy(update={"servers": gone, "promotion_seconds": seconds})


def elsewhere(settings: Settings, folder: Path) -> Settings:
    """Another machine's: a home folder of its own, the same registry, the same keys."""
    keys = {"signing_key": settings.private_key, "trusted_keys": settings.public_keys}
    return Settings(home=folder / "elsewhere", tracking_uri=settings.tracking_address, **keys)


class Clock:
    """A clock that can be put forward, in place of the module ``time``."""

    def __init__(self) -> None:
        self.sleep, self.ahead = time.sleep, 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


def test_a_promotion_that_came_between_from_another_home_folder_stays(
    three: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(three, NAME, 1, None, "first")
    here, there, clock = unserved(three, 3600), elsewhere(three, tmp_path), Clock()
    monkeypatch.setattr("components.promote.acknowledgement.time", clock)
    said: list[str] = []

    def first_mover() -> None:
        try:
            promote(here, NAME, 2, 1, "second")
        except PromotionRefused as error:
            said.append(str(error))

    mover = threading.Thread(target=first_mover, daemon=True)
    mover.start()
    while champion(three) != 2:
        time.sleep(0.05)
    assert promote(there, NAME, 3, 2, "third").moved
    clock.ahead = 3601
    mover.join()
    assert champion(three) == 3, "it was acknowledged to whoever promoted it"
    assert said[0].startswith(
        "Version 2 of 'digits' was given up, and version 3 stays the champion, as another promotion has come between: "
        f"after 3600 s it is not served by {here.servers}"
    )
    assert steps(three)[-1] == ("promote", "abandoned", 1, 2)


def test_a_champion_that_changes_while_the_package_is_fetched_refuses(three: Settings) -> None:
    promote(three, NAME, 2, None, "second")
    mover = Mover(three, Registry(three, NAME), print)
    with pytest.raises(PromotionRefused, match=r"version 2 became the champion in place of version 1\. Nothing"):
        mover.move(Event.intent("promote", Registry(three, NAME), 1, 3, "compared with version 1"))
    assert champion(three) == 2
    assert len(history(three, NAME)) == 2


@contextlib.contextmanager
def failing_registry(settings: Settings, version: int) -> Iterator[None]:
    """The database refuses to let an alias point at a version."""
    condition = f"BEFORE UPDATE ON registered_model_aliases WHEN NEW.version = {version}"
    with contextlib.closing(sqlite3.connect(settings.home / "mlflow.db")) as database:
        database.execute(
            f"CREATE TRIGGER moving {condition} BEGIN SELECT RAISE(ABORT, 'the registry moves house'); END"
        )
        try:
            yield
        finally:
            database.execute("DROP TRIGGER IF EXISTS moving")


def test_a_registry_that_fails_for_a_moment_is_asked_again_to_go_back(
    three: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(three, NAME, 1, None, "first")

    def mend(seconds: float) -> None:
        """While it would sleep."""
        with contextlib.closing(sqlite3.connect(three.home / "mlflow.db")) as database:
            database.execute("DROP TRIGGER moving")

    monkeypatch.setattr("components.promote.mover.time", SimpleNamespace(monotonic=lambda: 0.0, sleep=mend))
    with (
        failing_registry(three, 1),
        pytest.raises(PromotionRefused, match=r"was taken back, and version 1 is the champion again: after 0\.5 s"),
    ):
        promote(unserved(three, seconds=0.5), NAME, 2, 1, "second")
    assert champion(three) == 1
    assert steps(three)[-1] == ("promote", "abandoned", 1, 2)


def test_what_cannot_be_taken_back_is_told_with_the_server_and_seen_to_by_the_next_call(three: Settings) -> None:
    promote(three, NAME, 1, None, "first")
    here = unserved(three, seconds=0.5)
    with failing_registry(three, 1), pytest.raises(RegistryError) as failed:
        promote(here, NAME, 2, 1, "second")
    told = str(failed.value)
    assert not isinstance(failed.value, PromotionRefused)
    assert told.startswith(
        "Version 2 of 'digits' could not be taken back, and may be the champion still: The registry at"
    )
    assert "the registry moves house" in told
    assert f"for this: after 0.5 s it is not served by {here.servers}: it cannot be asked" in told
    assert champion(three) == 2
    assert steps(three)[-1] == ("promote", "intent", 1, 2)
    with pytest.raises(PromotionRefused, match="was compared with version 2, but by now version 1 is the champion"):
        promote(here, NAME, 3, 2, "third")
    assert steps(three)[-1] == ("promote", "abandoned", 1, 2)


def test_every_move_ends_every_canary(three: Settings) -> None:
    registry, said = Registry(three, NAME), list[str]()
    promote(three, NAME, 1, None, "first")
    registry.set_tag(3, CANARY, "0.5 2026-11-28T12:00:00+00:00")
    promote(three, NAME, 2, 1, "second", tell=said.append)
    assert CANARY not in registry.version(3).tags
    assert said == ["The canary of version 3 ends with this move."]
    registry.set_tag(3, CANARY, "0.5 2026-11-28T12:00:00+00:00")
    rollback(three, NAME, "worse")
    assert CANARY not in registry.version(3).tags
