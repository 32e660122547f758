import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error
from torchmetrics.functional.classification import multiclass_calibration_error

from components.evaluate.classes.metrics import calibration_bins, mcnemar_p_value, measure_classes
from components.evaluate.classes.mistakes import confused_pairs, most_mistaken, worst_mistakes
from components.evaluate.shown import ShownSample
from components.evaluate.values.errors import largest_errors
from components.evaluate.values.metrics import measure_values, signed_rank_p_value
from components.sampling import balanced, proportional
from components.tasks.intervals import wilson_interval


def random_answers(samples: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, samples)
    scores = generator.normal(size=(samples, classes)) + 1.5 * np.eye(classes)[labels]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32), labels


@pytest.mark.parametrize(
    ("right", "samples", "low", "high"),  # statsmodels: proportion_confint(right, samples, method="wilson")
    [(5, 10, 0.236593, 0.763407), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (8, 10, 0.490162, 0.943318)],
)
def test_wilson_interval_of_known_cases(right: int, samples: int, low: float, high: float) -> None:
    assert wilson_interval(right, samples) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (6, 1, 2 * (1 + 7) / 2**7), (1, 9, 2 * (1 + 10) / 2**10), (0, 6, 2 / 2**6)],
)
def test_mcnemar_by_hand(first: int, second: int, p: float) -> None:
    assert mcnemar_p_value(first, second) == pytest.approx(p)
    assert mcnemar_p_value(second, first) == pytest.approx(p)


def test_measures_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05, 0], [0.35, 0.65, 0], [0.25, 0.75, 0], [0.15, 0.85, 0]], np.float32)
    metrics = measure_classes(probabilities, np.array([0, 0, 1, 2]), ("a", "b", "c"), bins=10)
    assert metrics.accuracy == 0.5
    assert metrics.confusion == ((1, 1, 0), (0, 1, 0), (0, 1, 0))
    a, b, c = metrics.classes
    assert (a.precision, a.recall, a.support) == (1, 0.5, 2)
    assert (b.precision, b.recall, b.support) == (pytest.approx(1 / 3), 1, 1)
    assert (c.precision, c.recall, c.f1, c.support) == (0, 0, 0, 1)  # never predicted
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert metrics.calibration_error == pytest.approx((0.05 + 0.65 + 0.25 + 0.85) / 4)  # every answer a bin of its own


def test_measures_agree_with_scikit_learn() -> None:
    probabilities, labels = random_answers(500, 7)
    metrics = measure_classes(probabilities, labels, tuple("abcdefg"), bins=15)
    predicted = probabilities.argmax(axis=1)
    assert metrics.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert metrics.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert sum(map(sum, metrics.confusion)) == metrics.samples == 500
    low, high = metrics.accuracy_interval
    assert low < metrics.accuracy < high


@pytest.mark.parametrize("bins", [2, 10, 15, 100])
def test_calibration_error_agrees_with_torchmetrics(bins: int) -> None:
    probabilities, labels = random_answers(800, 4, seed=bins)
    theirs = multiclass_calibration_error(torch.from_numpy(probabilities), torch.from_numpy(labels), 4, n_bins=bins)
    assert calibration_bins(probabilities, labels, bins).error == pytest.approx(float(theirs), abs=1e-5)


def test_calibration_error_of_extreme_models() -> None:
    sure = np.tile(np.array([[1.0, 0.0]], np.float32), (10, 1))
    assert calibration_bins(sure, np.zeros(10, int), 10).error == 0
    assert calibration_bins(sure, np.ones(10, int), 10).error == 1
    bins = calibration_bins(sure, np.zeros(10, int), 10)
    assert bins.counts.tolist() == [0] * 9 + [10]


def test_calibration_bins_exclude_their_lower_edge() -> None:
    top = np.array([0.5, 0.5, 0.51, 0.75, 0.76, 1.0], np.float32)
    bins = calibration_bins(np.stack([top, 1 - top], axis=1), np.array([0, 1, 0, 0, 1, 0]), 4)
    assert bins.counts.tolist() == [0, 2, 2, 2]
    assert bins.accuracy.tolist() == [0, 0.5, 1, 0.5]
    assert bins.confidence == pytest.approx([0, 0.5, 0.63, 0.88])


def test_worst_mistakes_are_the_most_confident_first() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.95, 0.05], [0.4, 0.6]], np.float32)
    first, second = worst_mistakes(labels, probabilities, 5, named)
    assert (first.sample.identity, first.truth, first.predicted) == ("y", 1, 0)
    assert (first.confidence, first.truth_probability) == (pytest.approx(0.95), pytest.approx(0.05))
    assert second.sample.identity == "x"
    assert [mistake.sample.identity for mistake in worst_mistakes(labels, probabilities, 1, named)] == ["y"]


def named(places: np.ndarray) -> list[ShownSample]:
    return [ShownSample("wxyz"[place], "a text") for place in places]


def test_the_largest_errors_come_first() -> None:
    first, second = largest_errors(np.array([1.0, 5.0, 2.5, 0.0]), np.array([1.0, 2.0, 2.0, -1.0]), 2, named)
    assert (first.sample.identity, first.truth, first.value) == ("x", 2.0, 5.0)
    assert second.sample.identity == "z"


def test_errors_of_values_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.normal(50, 10, 400).astype(np.float32)
    values = (labels + random.normal(1, 3, 400)).astype(np.float32)
    measured = measure_values(values, labels)
    assert measured.r2 == pytest.approx(r2_score(labels, values), rel=1e-5)
    assert measured.rmse == pytest.approx(root_mean_squared_error(labels, values), rel=1e-5)
    assert measured.mae == pytest.approx(mean_absolute_error(labels, values), rel=1e-5)
    assert measured.bias == pytest.approx((values - labels).mean(), rel=1e-4)
    assert measured.error_quantiles == pytest.approx(np.quantile(np.abs(values - labels), (0.5, 0.9, 0.99)), rel=1e-5)
    assert measured.r2_interval[0] < measured.r2 < measured.r2_interval[1]


def test_the_bootstrap_interval_is_as_wide_as_the_spread_of_new_samples() -> None:
    """R² of 400 fresh samples, drawn 300 times, falls into the interval's width nearly always."""
    random = np.random.default_rng(1)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        labels = random.normal(size=400)
        return labels + random.normal(0, 0.4, 400), labels

    spread = np.std([measure_values(*draw()).r2 for _ in range(60)])
    low, high = measure_values(*draw()).r2_interval
    assert (high - low) / (2 * 1.96) == pytest.approx(spread, rel=0.4)


def test_signed_ranks_by_hand() -> None:
    """Five errors, the first model's all larger: two of the 32 equally likely sets of signs are as extreme."""
    assert signed_rank_p_value(np.array([2.0, 3, 4, 5, 6]), np.array([1.0, 1, 1, 1, 1])) == pytest.approx(2 / 32)
    assert signed_rank_p_value(np.ones(4), np.ones(4)) == 1.0


def test_confused_pairs_are_ordered_and_leave_out_empty_cells() -> None:
    confusion = ((8, 2, 0), (5, 5, 0), (0, 1, 9))
    pairs = confused_pairs(confusion, 10)
    assert [(pair.truth, pair.predicted, pair.count) for pair in pairs] == [(1, 0, 5), (0, 1, 2), (2, 1, 1)]
    assert (pairs[0].share, pairs[0].reverse) == (0.5, 2)
    assert len(confused_pairs(confusion, 2)) == 2
    assert confused_pairs(((3, 0), (0, 4)), 5) == ()


def test_most_mistaken_classes_keep_their_order() -> None:
    assert most_mistaken(((9, 0, 0, 1), (0, 9, 0, 0), (0, 0, 9, 0), (3, 0, 0, 9)), 2) == [0, 3]


def test_balanced_takes_every_class_in_turn() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20)
    picked = balanced(labels, 12)
    assert np.bincount(labels[picked]).tolist() == [5, 3, 4]
    assert (np.diff(picked) > 0).all()
    assert balanced(labels, 1000).tolist() == list(range(73))


def test_proportional_keeps_the_shares() -> None:
    labels = np.random.default_rng(0).permutation([0] * 700 + [1] * 200 + [2] * 100)
    picked = proportional(labels, 100)
    assert len(np.unique(picked)) == 100
    assert np.bincount(labels[picked]) == pytest.approx([70, 20, 10], abs=1)
    assert len(proportional(labels, 5000)) == 1000
