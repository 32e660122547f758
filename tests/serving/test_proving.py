"""A version that crashes or hangs: refused by who tries it, and no worker is harmed."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from components.errors import PackageError, PromotionRefused
from components.package.model import GOLDEN, MODEL
from components.presence import Workers
from components.processes import start_ticks
from components.promote import promote
from components.registry import CHALLENGER
from serving.challenger import Challenger
from serving.follow import Follower
from serving.proving import prove, survive
from serving.registry import open_registry
from tests.following import follower_of, versions_of
from tests.serving.harmful import TRAPS, division_that_traps, loop_without_end, register_harmful
from tests.serving.running import PATIENCE, running, wait_for
from tests.serving.test_swap import ONE, workers_of
from tests.shelf import NAME, Shelf


def following(shelf: Shelf, patience: float = 60.0) -> Follower:
    """One of the workers of a server: they have their folder in common."""
    registry = open_registry(shelf.settings, NAME)
    return follower_of(registry, shelf.settings, shelf.settings.home / "server", patience=patience)


@pytest.mark.parametrize(
    ("command", "seconds", "said"),
    [
        ("kill -SEGV $$", PATIENCE, r"kills the process .* signal 11 \(Segmentation fault\)"),
        ("kill -KILL $$", PATIENCE, r"signal 9 \(Killed\), as the kernel sends where memory runs out"),
        ("exec sleep 600", 0.5, r"not answered within 0.5 s.*TUNESMITH_PROMOTION_SECONDS"),
        ("exit 3", PATIENCE, "could not be tried: .* ended with status 3"),
    ],
)
def test_how_a_trial_ended_is_told(command: str, seconds: float, said: str) -> None:
    with pytest.raises(PackageError, match=said):
        survive(["sh", "-c", command], seconds)


def test_an_exception_is_left_to_who_opens_the_graph_next(tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes(b"this is no graph")
    prove(tmp_path / MODEL, tmp_path / GOLDEN, 8, 60)


@TRAPS
def test_a_version_that_crashes_is_rejected_and_the_old_one_goes_on(shelf: Shelf, tmp_path: Path) -> None:
    good = shelf.promote(shelf.publish(0.0))
    follower = following(shelf)
    follower.look()
    bad = shelf.promote(register_harmful(shelf, tmp_path, division_that_traps))
    follower.look()
    assert follower.version() == good
    assert follower.following.rejected == bad
    assert follower.following.error == (
        f"Version {bad} is rejected: It kills the process that asks it its golden batch: signal 8 (Floating point"
        " exception)."
    )
    shelf.promote(good)
    follower.look()
    assert follower.following.error is None


@TRAPS
def test_a_challenger_that_crashes_is_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.registry.set_alias(CHALLENGER, register_harmful(shelf, tmp_path, division_that_traps))
    versions = versions_of(open_registry(shelf.settings, NAME), shelf.settings, tmp_path / "server")
    challenger = Challenger(versions, 1.0)
    challenger.look(None)
    assert challenger.model is None
    assert "It kills the process" in str(challenger.fault)


@TRAPS
@pytest.mark.slow
def test_a_promotion_of_what_crashes_is_refused_and_no_worker_dies(shelf: Shelf, tmp_path: Path) -> None:
    first = shelf.promote(shelf.publish(0.0))
    bad = register_harmful(shelf, tmp_path, division_that_traps)
    with running(shelf.settings, tmp_path, workers=2) as server:
        before = workers_of(server)
        with pytest.raises(PromotionRefused) as refused:
            promote(shelf.settings, NAME, bad, first, "better")
        assert f"{server.address} cannot serve it: Version {bad} is rejected: It kills the" in str(refused.value)
        assert shelf.registry.champion() == first
        assert workers_of(server) == before
        assert server.post("/predict", *ONE).headers["X-Model-Version"] == str(first)
        states = Workers.model_validate(server.model()["workers"]).states
        assert [str(state.process) for state in states] == sorted(before)


def test_a_version_that_hangs_is_rejected_once_for_all_workers_that_wait(shelf: Shelf, tmp_path: Path) -> None:
    patience = 4.0
    bad = shelf.promote(register_harmful(shelf, tmp_path, loop_without_end))
    workers = [following(shelf, patience) for _ in range(3)]
    threads = [threading.Thread(target=worker.look) for worker in workers]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 3 * patience
    assert [worker.following.rejected for worker in workers] == [bad] * 3
    assert "not answered within 4 s" in str(workers[2].following.error)


def test_what_one_worker_has_tried_the_others_do_not(shelf: Shelf) -> None:
    version = shelf.promote(shelf.publish(0.0))
    following(shelf).look()
    (trial,) = (shelf.settings.home / "server" / "trials").iterdir()
    before = trial.read_bytes()
    (shelf.stored(version) / MODEL).unlink()
    other = following(shelf)
    other.look()
    assert other.version() == version, "not fetched again, either"
    assert trial.read_bytes() == before


def test_a_trial_ends_with_who_waits_for_it(shelf: Shelf, tmp_path: Path) -> None:
    version = register_harmful(shelf, tmp_path, loop_without_end)
    program = (
        "import sys; from pathlib import Path; from serving.proving import prove;"
        f"folder = Path({str(shelf.stored(version))!r}); prove(folder / {MODEL!r}, folder / {GOLDEN!r}, 8, 600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program])
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    wait_for(lambda: bool(children.read_text()), "the trial")
    (trial,) = map(int, children.read_text().split())
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_for(lambda: start_ticks(trial) is None, "the end of the trial")
