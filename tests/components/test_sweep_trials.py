"""The journal of a sweep: what survives a kill, what counts of a trial, and who ends early."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.params.sections import SweepParams
from components.sweep.early import decisive_epochs
from components.sweep.record import Trial, TrialState, best, front
from components.sweep.trials import Trials
from components.sweep.tuning import listen
from tests.components.sweep_functions import BRANIN_SPACE, branin, maximise, row, section, tree

RANDOM = {"name": "random"}
ASHA = {"name": "asha", "grace_epochs": 1, "reduction": 2}
HYPERBAND = {"name": "hyperband", "grace_epochs": 1, "reduction": 2}
MEDIAN = {"name": "median", "grace_epochs": 1, "full_trials": 2}


TPE = {"name": "bayes", "model": "tpe", "random_trials": 2}
POINTS = {
    "train.x": {"kind": "grid", "low": -5, "high": 10, "points": 2, "log": False},
    "train.y": {"kind": "quantised", "low": 0, "high": 15, "step": 15},
}


def plain(trials: int = 6, **other: Any) -> SweepParams:
    return section(BRANIN_SPACE, RANDOM, trials, **other)


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    killed = Trials(journal, plain(), tree())
    handed = [killed.next() for _ in range(3)]
    killed.report(0, row(1, 0.5))
    killed.close(0, "complete")
    killed.report(1, row(1, 0.25))
    with journal.open("a") as file:
        file.write('{"op_code": 8, "half')  # what a kill leaves of a line

    again = Trials(journal, plain(), tree())
    assert [trial.state for trial in again.records()] == ["complete", "running", "running"]
    assert [again.next(), again.next()] == handed[1:]
    fourth = again.next()
    assert fourth is not None
    assert fourth.number == 3
    assert again.processes == 2
    whole = Trials(tmp_path / "whole.jsonl", plain(), tree())
    assert [whole.next() for _ in range(4)][3] == fourth, "drawn as without the kill"


@pytest.mark.parametrize("strategy", [RANDOM, {"name": "grid"}, TPE], ids=lambda strategy: str(strategy["name"]))
def test_killed_after_any_line_of_the_journal_it_ends_with_every_trial(
    strategy: dict[str, Any], tmp_path: Path
) -> None:
    given = section(POINTS, strategy, 5, scheduler=ASHA)
    whole = tmp_path / "whole.jsonl"
    maximise(branin, Trials(whole, given, tree()))
    lines = whole.read_bytes().splitlines(keepends=True)
    expected = Trials(whole, given, tree()).records()
    for kept in range(len(lines)):
        journal = tmp_path / f"{kept}.jsonl"
        journal.write_bytes(b"".join(lines[:kept]) + lines[kept][: len(lines[kept]) // 2])
        trials = Trials(journal, given, tree())
        while handed := trials.next():
            trials.report(handed.number, row(1, branin(handed.values) if handed.values else -1e3))
            trials.close(handed.number, "complete")
        found = trials.records()
        assert [trial.state for trial in found] == [trial.state for trial in expected], f"killed after line {kept}"
        assert len({str(trial.values) for trial in found}) == len(expected) if strategy["name"] == "grid" else True


def test_the_journal_is_lines_of_json(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "journal.jsonl", plain(), tree())
    trials.next()
    trials.close(0, "complete")
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) > 3


def test_the_best_epoch_counts_and_not_the_last(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "journal.jsonl", plain(), tree())
    trials.next()
    for epoch, score in enumerate((0.5, 0.9, 0.4), 1):
        trials.report(0, row(epoch, score))
    trials.close(0, "complete")
    record = trials.record(0)
    assert (record.score, record.best_epoch, record.seconds) == (0.9, 2, 1.5)


def test_an_epoch_that_is_reported_again_counts_once(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "journal.jsonl", plain(), tree())
    trials.next()
    for _ in range(2):
        assert trials.report(0, row(1, 0.5)) is None
    assert len(trials.record(0).epochs) == 1


def test_a_trial_that_diverged_is_the_worst_and_no_crash(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "journal.jsonl", plain(), tree())
    for number, score in enumerate((0.5, 0.7)):
        trials.next()
        trials.report(number, row(1, score))
        trials.close(number, "complete")
    trials.next()
    trials.report(2, row(1, 0.99))
    trials.close(2, "diverged", "the loss is no finite number")
    assert trials.study.trials[2].value == 0.5
    assert (trials.record(2).score, trials.record(2).state) == (None, "diverged")
    assert best(trials.records()) == 1


def test_params_yaml_outside_of_the_space_is_run_but_teaches_nothing(tmp_path: Path) -> None:
    space = {"train.x": {"kind": "uniform", "low": 1, "high": 2}}
    trials = Trials(tmp_path / "journal.jsonl", section(space, RANDOM, 3), tree())
    trials.next()
    trials.report(0, row(1, 0.5))
    trials.close(0, "complete")
    assert (trials.record(0).state, trials.record(0).score) == ("complete", 0.5)
    assert trials.study.trials[0].state.name == "FAIL"


@pytest.mark.parametrize(
    "scheduler",
    [
        ASHA,
        {"name": "hyperband", "grace_epochs": 1, "reduction": 2},
        {"name": "median", "grace_epochs": 1, "full_trials": 2},
    ],
    ids=lambda scheduler: str(scheduler["name"]),
)
def test_a_scheduler_ends_bad_trials_and_lets_the_best_end_by_themselves(
    scheduler: dict[str, Any], tmp_path: Path
) -> None:
    budget = {"trials": 20, "seconds": None, "epochs": 8, "megabytes": 1.0}
    trials = Trials(tmp_path / "journal.jsonl", plain(scheduler=scheduler, budget=budget), tree())
    while handed := trials.next():
        final = 1 - (handed.number * 7 % 20) / 20
        ended: TrialState | None = None
        for epoch in range(1, 9):
            ended = trials.report(handed.number, row(epoch, final * (1 - 0.5**epoch)))
            if ended:
                break
        trials.close(handed.number, ended or "complete")
    records = trials.records()
    stopped = [trial for trial in records if trial.state == "stopped"]
    assert len(stopped) >= 5
    decisive = decisive_epochs(trials.section)
    assert {len(trial.epochs) for trial in stopped} <= decisive, "trials report at once where they may be ended"
    assert sum(len(trial.epochs) for trial in records) < 0.8 * 20 * 8
    assert best(records) == 0
    assert records[0].state == "complete"


def test_a_wide_search_trains_for_few_epochs_and_is_judged_by_them(tmp_path: Path) -> None:
    """params.yaml as it is has all epochs, and is no better for that; a fine trial is near the best coarse one."""
    coarse = {"name": "coarse_to_fine", "coarse_share": 0.5, "coarse_epochs": 3, "best": 1, "neighbourhood": 0.1,
              "fine": "random"}  # fmt: skip
    budget = {"trials": 10, "seconds": None, "epochs": 8, "megabytes": 1.0}
    given = section(BRANIN_SPACE, coarse, 10, budget=budget)
    trials = Trials(tmp_path / "journal.jsonl", given, tree())
    while handed := trials.next():
        early = {0: 0.5, 2: 0.8}.get(handed.number, 0.6)
        late = 0.9 if handed.number == 0 else early
        rows = [row(epoch, early if epoch <= 3 else late).model_dump() for epoch in range(1, 9)]
        if listen(trials, {"number": handed.number}, {"event": "epochs", "rows": rows, "values": handed.values}):
            trials.close(handed.number, "complete")
    records = trials.records()
    assert [len(trial.epochs) for trial in records] == [8, 3, 3, 3, 3, 8, 8, 8, 8, 8]
    assert {trial.state for trial in records} == {"complete"}
    assert 3 in decisive_epochs(given)
    centre = records[2].values
    for trial in records[5:]:
        assert abs(trial.values["train.x"] - centre["train.x"]) <= 0.05 * 15 + 1e-9
        assert abs(trial.values["train.y"] - centre["train.y"]) <= 0.05 * 15 + 1e-9


def test_epochs_that_are_reported_together_come_to_the_same(tmp_path: Path) -> None:
    budget = {"trials": 3, "seconds": None, "epochs": 8, "megabytes": 1.0}
    rows = [row(epoch, 0.1).model_dump() for epoch in range(1, 9)]
    records = []
    for name, batches in (("apart", [[each] for each in rows]), ("together", [rows[:1], rows[1:7], rows[7:]])):
        trials = Trials(tmp_path / name, plain(scheduler=ASHA, budget=budget), tree())
        for number, growth in enumerate((0.1, 0.11, 0.0)):
            trials.next()
            for batch in batches:
                scored = [{**each, "validation_score": 0.2 + growth * each["epoch"] - growth} for each in batch]
                said = {"event": "epochs", "rows": scored, "values": trials.record(number).values}
                if not listen(trials, {"number": number}, said):
                    break
        records.append(trials.records())
    assert records[0] == records[1]
    ended = [(trial.state, len(trial.epochs)) for trial in records[0]]
    assert ended == [("running", 8), ("running", 8), ("stopped", 2)], "in the middle of a batch"


def test_a_graph_that_costs_too_much_is_told(tmp_path: Path) -> None:
    constraints = [{"cost": "kilobytes", "at_most": 100.0}]
    trials = Trials(tmp_path / "journal.jsonl", plain(constraints=constraints), tree())
    trials.next()
    assert trials.costs(0, {"kilobytes": 100.0, "latency_ms": 5.0})
    trials.next()
    assert not trials.costs(1, {"kilobytes": 101.0, "latency_ms": 5.0})
    trials.close(1, "too_costly")
    assert trials.record(1).state == "too_costly"


def trial(number: int, score: float, kilobytes: float) -> Trial:
    return Trial(number=number, values={"x": number}, state="complete", score=score, best_epoch=1,
                 costs={"kilobytes": kilobytes}, epochs=(), seconds=1.0, fault=None)  # fmt: skip


def test_the_front_is_what_none_beats_in_everything() -> None:
    trials = (trial(0, 0.9, 100), trial(1, 0.8, 50), trial(2, 0.85, 120), trial(3, 0.95, 300), trial(4, 0.8, 60))
    assert front(trials, ("validation_score", "kilobytes")) == (3, 0, 1)
    assert front(trials, ("validation_score",)) == (3,)


def test_several_objectives_are_searched_together(tmp_path: Path) -> None:
    given = section(BRANIN_SPACE, {"name": "bayes", "model": "tpe", "random_trials": 4}, 12,
                    objectives=["validation_score", "kilobytes"])  # fmt: skip
    trials = Trials(tmp_path / "journal.jsonl", given, tree())
    while handed := trials.next():
        trials.costs(handed.number, {"kilobytes": 1.0 + handed.number, "latency_ms": 1.0})
        trials.report(handed.number, row(1, branin(handed.values) if handed.values else -100.0))
        trials.close(handed.number, "complete")
    assert len(trials.study.best_trials) >= 1
    assert len(front(trials.records(), given.objectives)) >= 1
