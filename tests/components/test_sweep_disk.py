"""The checkpoints of a sweep within their quota."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from components.sweep.disk import Quota
from components.sweep.record import Trial
from components.train.state import RESUME
from tests.components.sweep_functions import row

BEST = "best.safetensors"


def trial(number: int, score: float | None, state: str) -> Trial:
    found: dict[str, Any] = {
        "number": number, "values": {}, "state": state, "score": score, "best_epoch": None, "costs": {},
        "epochs": () if score is None else (row(1, score),), "seconds": 1.0, "fault": None,
    }  # fmt: skip
    return Trial.model_validate(found)


def kept(folder: Path, megabytes: float, *trials: Trial) -> dict[int, set[str]]:
    """What is left of 1,000 bytes of weights and as many of a checkpoint of each trial, once all have ended."""
    quota = Quota(folder, megabytes)
    for number, each in enumerate(trials, start=1):
        own = folder / f"{each.number:05d}"
        own.mkdir()
        for name in (BEST, RESUME):
            (own / name).write_bytes(bytes(1000))
        quota.trials = SimpleNamespace(records=lambda so_far=number: trials[:so_far])  # type: ignore[assignment]
        quota.changed(each)
    return {int(own.name): {file.name for file in own.iterdir()} for own in folder.iterdir()}


def test_the_worst_go_first(tmp_path: Path) -> None:
    left = kept(tmp_path, 0.002, trial(0, 0.5, "complete"), trial(1, 0.9, "complete"), trial(2, 0.7, "stopped"))
    assert left == {1: {BEST}, 2: {BEST}}


def test_the_best_stays_also_where_running_trials_need_all_the_room(tmp_path: Path) -> None:
    running = (trial(2, 0.1, "running"), trial(3, None, "running"))
    left = kept(tmp_path, 0.002, *running, trial(0, 0.5, "complete"), trial(1, 0.9, "complete"))
    assert left == {1: {BEST}, 2: {BEST, RESUME}, 3: {BEST, RESUME}}


def test_of_equals_the_winner_stays(tmp_path: Path) -> None:
    assert kept(tmp_path, 0.001, trial(0, 0.9, "complete"), trial(1, 0.9, "complete")) == {0: {BEST}}
