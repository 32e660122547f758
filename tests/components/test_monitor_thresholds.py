"""The budget of false alarms: kept over all tests together, and not left unused."""

import numpy as np
import pytest

from components.errors import DataError
from components.monitor.detectors import KernelDetector, RankDetector
from components.monitor.thresholds import calibrated, thresholds

RATE = 0.05


def test_without_drift_windows_fire_as_often_as_the_budget_says() -> None:
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((2000, 8)).astype(np.float32)
    names = tuple("abcdefgh")
    tests = [RankDetector(names, reference), KernelDetector("all", reference, rng)]
    bounds = calibrated(tests, 2000, 200, RATE, 2000, rng)
    windows = [rng.standard_normal((200, 8)).astype(np.float32) for _ in range(1000)]
    fired = [bool((np.concatenate([test.statistics(w) for test in tests]) >= bounds).any()) for w in windows]
    assert 0.02 < np.mean(fired) < 0.08, "5 % of the windows, give or take four standard errors"
    shifted = [(np.concatenate([test.statistics(w + 0.3) for test in tests]) >= bounds).any() for w in windows[:50]]
    assert np.mean(shifted) > 0.9


def test_tests_that_fire_together_are_not_paid_for_twice() -> None:
    rng = np.random.default_rng(0)
    one = rng.random((5000, 1))
    alone, twice = thresholds(one, RATE), thresholds(np.repeat(one, 10, axis=1), RATE)
    assert twice == pytest.approx(np.repeat(alone, 10), abs=1e-3)
    apart = thresholds(rng.random((5000, 10)), RATE)
    assert (apart > alone).all(), "ten tests that have nothing to do with one another are"


def test_no_more_windows_reach_a_threshold_than_may_even_where_statistics_tie() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 4, (1000, 3)).astype(float)
    assert (drawn >= thresholds(drawn, RATE)).any(axis=1).mean() <= RATE
    constant = np.ones((1000, 1))
    assert (constant < thresholds(constant, RATE)).all()


def test_a_reference_that_is_too_small_is_told() -> None:
    reference = np.zeros((150, 1), np.float32)
    with pytest.raises(DataError, match=r"Windows of 100 samples .* by a reference of 150.*monitor.window to 75"):
        calibrated([RankDetector(("a",), reference)], 150, 100, RATE, 1000, np.random.default_rng(0))
