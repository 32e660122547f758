"""Each strategy on functions whose best value is known, against random search at the same budget."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution, IntDistribution

from components.sweep.strategies import neighbourhood
from components.sweep.trials import Trials
from tests.components.sweep_functions import (
    BRANIN_SPACE,
    CONDITIONAL_SPACE,
    Function,
    branin,
    conditional,
    row,
    search,
    section,
    tree,
)

SEEDS = 20
RANDOM = {"name": "random"}
TPE = {"name": "bayes", "model": "tpe", "random_trials": 8}
GAUSSIAN = {"name": "bayes", "model": "gaussian_process", "random_trials": 8}
COARSE = {"name": "coarse_to_fine", "coarse_share": 0.4, "coarse_epochs": None, "best": 2,
          "neighbourhood": 0.25, "fine": "random"}  # fmt: skip
FUNCTIONS: dict[str, tuple[Function, dict[str, Any], int]] = {
    "branin": (branin, BRANIN_SPACE, 30),
    "conditional": (conditional, CONDITIONAL_SPACE, 50),
}


def bests(function: str, strategy: dict[str, Any], folder: Path) -> NDArray[np.float64]:
    """The best value of each seed."""
    called, space, trials = FUNCTIONS[function]
    return np.array([search(called, section(space, strategy, trials), seed, folder) for seed in range(SEEDS)])


def interval(gains: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean gain by the bootstrap."""
    draws = np.random.default_rng(0).choice(gains, (10_000, len(gains))).mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "strategy"),
    [
        ("branin", TPE),
        ("branin", GAUSSIAN),
        ("branin", COARSE),
        ("conditional", TPE),
        ("conditional", COARSE),
    ],
    ids=["branin-tpe", "branin-gaussian_process", "branin-coarse_to_fine", "conditional-tpe", "conditional-coarse"],
)
def test_better_than_random_search_at_the_same_budget(function: str, strategy: dict[str, Any], tmp_path: Path) -> None:
    gains = bests(function, strategy, tmp_path) - bests(function, RANDOM, tmp_path)
    low, high = interval(gains)
    print(f"{function}: mean gain over random search {gains.mean():.3f} ({low:.3f} to {high:.3f}), {SEEDS} seeds")
    assert low > 0


def test_a_search_is_the_same_again(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    for strategy in (RANDOM, TPE, COARSE):
        given = section(BRANIN_SPACE, strategy, 12)
        assert search(branin, given, 3, tmp_path / "a") == search(branin, given, 3, tmp_path / "b")


def test_a_grid_search_tries_every_point_once_after_params_yaml(tmp_path: Path) -> None:
    space = {
        "train.x": {"kind": "grid", "low": 1, "high": 100, "points": 3, "log": True},
        "train.kind": {"kind": "choice", "values": ["flat", "sharp"]},
        "train.y": {"kind": "conditional", "where": "train.kind", "equals": ["sharp"],
                    "then": {"kind": "quantised", "low": 0, "high": 1, "step": 0.5}},
    }  # fmt: skip
    trials = Trials(tmp_path / "journal", section(space, {"name": "grid"}, 100), tree())
    tried = []
    while handed := trials.next():
        trials.close(handed.number, "complete")
        tried.append(handed.values)
    flat = [{"train.x": x, "train.kind": "flat"} for x in (1.0, 10.0, 100.0)]
    sharp = [{"train.x": x, "train.kind": "sharp", "train.y": y} for x in (1.0, 10.0, 100.0) for y in (0.0, 0.5, 1.0)]
    assert tried[0] == {}
    assert sorted(map(str, tried[1:])) == sorted(map(str, [*flat, *sharp]))


def test_a_fine_grid_steps_around_the_best(tmp_path: Path) -> None:
    strategy = COARSE | {"fine": "grid", "best": 1}
    trials = Trials(tmp_path / "journal", section(BRANIN_SPACE, strategy, 30), tree())
    while handed := trials.next():
        value = branin(handed.values) if handed.values else -1e3
        trials.report(handed.number, row(1, value))
        trials.close(handed.number, "complete")
    coarse = math.ceil(0.4 * 30)
    ended = trials.records()
    top = max(ended[:coarse], key=lambda trial: trial.score or -math.inf)
    first = ended[coarse]
    assert first.values["train.y"] == top.values["train.y"]
    assert abs(first.values["train.x"] - top.values["train.x"]) <= 0.25 * 15 / 2 + 1e-3


def test_a_fine_grid_tries_nothing_twice_beside_a_choice(tmp_path: Path) -> None:
    space = {"train.kind": {"kind": "choice", "values": ["flat", "sharp"]}, **BRANIN_SPACE}
    strategy = COARSE | {"fine": "grid", "best": 1, "coarse_share": 0.5}
    trials = Trials(tmp_path / "journal", section(space, strategy, 12), tree())
    while handed := trials.next():
        trials.report(handed.number, row(1, -abs(handed.number - 2.0)))  # the second drawn is the best
        trials.close(handed.number, "complete")
    tried = [str(trial.values) for trial in trials.records()[1:]]
    assert len(set(tried)) == len(tried)


@pytest.mark.parametrize(
    ("whole", "value", "narrow"),
    [
        (FloatDistribution(0, 10), 5.0, FloatDistribution(4, 6)),
        (FloatDistribution(0, 10), 0.5, FloatDistribution(0, 1.5)),
        (FloatDistribution(1, 100, log=True), 10.0, FloatDistribution(10**0.8, 10**1.2, log=True)),
        (FloatDistribution(0, 10, step=0.5), 5.0, FloatDistribution(4, 6, step=0.5)),
        (IntDistribution(0, 10), 5, IntDistribution(4, 6)),
        (IntDistribution(0, 3), 1, IntDistribution(1, 1)),
    ],
    ids=str,
)
def test_a_neighbourhood_is_a_fifth_of_the_range_and_inside_it(whole: Any, value: float, narrow: Any) -> None:
    found = neighbourhood(whole, value, 0.2)
    assert type(found) is type(narrow)
    assert (found.low, found.high) == pytest.approx((narrow.low, narrow.high))
    assert (found.log, found.step) == (narrow.log, narrow.step)
