"""A promotion ends when every worker of every known server serves it, or is taken back: on real servers."""

import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from components.errors import PromotionRefused
from components.presence import KnownServer, Workers, WorkerState
from components.promote import history, promote, rollback
from components.promote.acknowledgement import NotServed, Server
from components.settings import Settings
from flows.ports import free_port
from serving.challenger import Challenger
from serving.follow import Follower
from serving.metrics import Metrics
from serving.registry import open_registry
from tests.following import versions_of
from tests.serving.running import PATIENCE, running, wait_for
from tests.serving.test_follow import change_a_golden_answer
from tests.serving.test_swap import ONE, Load
from tests.shelf import NAME, Shelf


def settings_of(shelf: Shelf, **more: object) -> Settings:
    return shelf.settings.model_copy(update=more)


def last(shelf: Shelf) -> tuple[str, str, int | None, int]:
    event = history(shelf.settings, NAME)[-1]
    return event.action, event.step, event.before, event.after


@pytest.mark.slow
def test_under_load_it_returns_when_no_worker_answers_from_the_old_version(shelf: Shelf, tmp_path: Path) -> None:
    first, second = shelf.publish(0.0), shelf.publish(3.0)
    promote(shelf.settings, NAME, first, None, "first")
    said: list[str] = []
    with running(shelf.settings, tmp_path, workers=2) as server:
        load = Load(server)
        load.start(4)
        load.go_on()
        moved = promote(shelf.settings, NAME, second, first, "better", tell=said.append)
        promoted = time.monotonic()
        workers = Workers.model_validate(server.model()["workers"])
        load.go_on()
        going_back = time.monotonic()
        rollback(shelf.settings, NAME, "worse after all", tell=said.append)
        returned = load.go_on()
        load.end()
    assert moved.servers == (server.address,)
    assert moved.sentence().endswith(f"Served by {server.address}.")
    assert said == [f"Waiting for 1 server to serve version {version}: {server.address}" for version in (second, first)]
    assert [state.version for state in workers.states] == [second, second]
    assert not load.failures
    after = {version for asked, _, version, _ in load.answers if promoted < asked < going_back}
    assert after == {second}
    assert {version for asked, _, version, _ in load.answers if asked > returned} == {first}


def test_a_version_that_a_server_refuses_is_taken_back_with_the_reason(shelf: Shelf, tmp_path: Path) -> None:
    bad = change_a_golden_answer(shelf, tmp_path)
    first = shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path) as server:
        for _ in range(2):  # what was said of the first attempt is not taken for the second one's
            with pytest.raises(PromotionRefused) as refused:
                promote(shelf.settings, NAME, bad, first, "better")
            assert str(refused.value).startswith(
                f"Version {bad} of '{NAME}' was taken back, and version {first} is the champion again: {server.address}"
                f" cannot serve it: Version {bad} is rejected: The model does not answer its golden batch"
            )
            assert shelf.registry.champion() == first
            assert last(shelf) == ("promote", "abandoned", first, bad)
        assert server.post("/predict", *ONE).headers["X-Model-Version"] == str(first)
        second = shelf.publish(3.0)
        assert promote(shelf.settings, NAME, second, first, "good").servers == (server.address,)
    third = shelf.publish(6.0)
    assert promote(shelf.settings, NAME, third, second, "no server").servers == (), "one that has ended is not known"


def test_a_server_that_does_not_answer_is_waited_for_and_named(shelf: Shelf) -> None:
    first = shelf.publish(0.0)
    gone = f"http://127.0.0.1:{free_port()}"
    settings = settings_of(shelf, servers=gone, promotion_seconds=0.5)
    with pytest.raises(PromotionRefused, match=f"no version is the champion again: after 0.5 s .* {gone}: it cannot"):
        promote(settings, NAME, first, None, "first")
    assert shelf.registry.champion() is None
    event = history(shelf.settings, NAME)[-1]
    assert event.step == "abandoned"
    assert event.fault is not None
    assert gone in event.fault


@pytest.mark.parametrize("there", [True, False], ids=["servers follow", "a server does not"])
def test_killed_while_it_waits_the_next_one_sees_it_through(
    shelf: Shelf, processes: multiprocessing.context.ForkServerContext, there: bool
) -> None:
    first, second = shelf.publish(0.0), shelf.publish(3.0)
    gone = settings_of(shelf, servers=f"http://127.0.0.1:{free_port()}")
    mover = processes.Process(target=promote, args=(gone, NAME, first, None, "first"))
    mover.start()
    wait_for(lambda: shelf.registry.champion() == first, "the alias has moved")
    mover.kill()
    mover.join()
    assert last(shelf) == ("promote", "intent", None, first)
    if there:
        promote(shelf.settings, NAME, second, first, "second")
        assert [event.step for event in history(shelf.settings, NAME)] == ["intent", "done", "intent", "done"]
        return
    with pytest.raises(PromotionRefused, match="was compared with version 1, but by now no version is the champion"):
        promote(settings_of(shelf, servers=gone.servers, promotion_seconds=0.3), NAME, second, first, "second")
    assert [event.step for event in history(shelf.settings, NAME)] == ["intent", "abandoned"]


def worker(version: int, looks: int, rejected: int | None = None) -> WorkerState:
    return WorkerState(
        process=7,
        version=version,
        digest="d",
        looks=looks,
        error="the registry cannot be asked",
        rejected=rejected,
        rejection="it is damaged" if rejected else None,
    )


def test_what_was_said_before_the_alias_moved_is_no_acknowledgement_and_no_refusal() -> None:
    server = Server(KnownServer("http://here"), None)
    said = [worker(5, 10), worker(5, 11), worker(5, 12)]
    assert [server._acknowledges(state, 5, "d") for state in said] == [False, False, True]
    server = Server(KnownServer("http://here"), None)
    assert [server._acknowledges(state, 5, "d") for state in (worker(4, 10), worker(5, 11))] == [False, True]
    server = Server(KnownServer("http://here"), None)
    assert not server._acknowledges(worker(4, 10, rejected=5), 5, "d")
    assert not server._acknowledges(worker(4, 11, rejected=5), 5, "d")
    with pytest.raises(NotServed, match="http://here cannot serve it: it is damaged"):
        server._acknowledges(worker(4, 12, rejected=5), 5, "d")


def test_a_request_in_flight_holds_the_acknowledgement_back(shelf: Shelf, tmp_path: Path) -> None:
    first, second = shelf.publish(0.0), shelf.publish(3.0)
    shelf.promote(first)
    said: list[WorkerState] = []
    registry = open_registry(shelf.settings, NAME)
    versions = versions_of(registry, shelf.settings, tmp_path / "server")
    follower = Follower(versions, Challenger(versions, 0.0), Metrics(), said.append)
    follower.look()
    request = follower.begin_request()
    shelf.promote(second)
    look = threading.Thread(target=follower.look)
    look.start()
    wait_for(lambda: bool(follower.model and follower.model.version == second), "the swap")
    assert follower.begin_request().version == second, "new requests are the new one's at once"
    time.sleep(0.1)
    assert [state.version for state in said] == [first], "not acknowledged: an answer of the first may still come"
    request.requests.end()
    look.join(PATIENCE)
    assert [state.version for state in said] == [first, second]
