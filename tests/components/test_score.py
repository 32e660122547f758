import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, r2_score

from components.contracts import ClassTarget, ValueTarget
from components.tasks.score import accuracy, r_squared, score, shown_difference, shown_score

CLASSES = ClassTarget(labels=("cat", "dog", "owl"), counts=(5, 6, 7))
VALUES = ValueTarget(name="price", mean=3900.0, std=4000.0, low=300.0, high=19000.0)
PAIRS = arrays(np.float32, st.tuples(st.integers(2, 40), st.just(2)), elements=st.integers(-1000, 1000))


def test_accuracy_is_the_share_of_the_right_classes() -> None:
    random = np.random.default_rng(0)
    predicted, labels = random.integers(0, 3, 500), random.integers(0, 3, 500)
    assert accuracy(predicted, labels) == pytest.approx(accuracy_score(labels, predicted))
    assert accuracy(labels, labels) == 1
    assert accuracy((labels + 1) % 3, labels) == 0


@given(PAIRS)
def test_r_squared_is_that_of_scikit_learn(pairs: NDArray[np.float32]) -> None:
    values, labels = pairs[:, 0], pairs[:, 1]
    assert r_squared(values, labels) == pytest.approx(r2_score(labels.astype(float), values.astype(float)))


def test_the_mean_explains_nothing_and_worse_answers_are_below_zero() -> None:
    labels = np.array([1, 2, 3, 6], np.float32)
    assert r_squared(np.full(4, 3, np.float32), labels) == 0
    assert r_squared(labels, labels) == 1
    assert r_squared(-labels, labels) < 0


@pytest.mark.parametrize("constant", [0.0, 7.0, 0.1])
def test_labels_that_are_all_the_same_score_one_or_zero(constant: float) -> None:
    labels = np.full(7, constant, np.float32)
    assert r_squared(labels.copy(), labels) == 1
    assert r_squared(labels + np.float32(0.5), labels) == 0
    assert r_squared(labels[:1], labels[:1]) == 1


def test_large_values_with_a_small_spread_do_not_lose_their_digits() -> None:
    """In float32 the squares of such numbers would swallow what tells them apart."""
    labels = np.float32(16_000_000) + np.arange(10_000, dtype=np.float32) % 7
    values = labels + np.where(np.arange(10_000) % 2, 1, -1).astype(np.float32)
    spread = (np.arange(10_000) % 7).astype(np.float64)
    assert r_squared(values, labels) == pytest.approx(1 - 1 / spread.var())


def test_a_model_of_classes_is_scored_by_its_most_probable_class() -> None:
    answers = np.array([[0.2, 0.5, 0.3], [0.9, 0.1, 0], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7]], np.float32)
    assert score(CLASSES, answers, np.array([1, 0, 0, 2])) == 0.75


def test_a_model_of_values_is_scored_by_its_one_column() -> None:
    labels = np.array([1, 2, 3, 6], np.float32)
    answers = labels + np.array([0.5, -0.5, 0.5, -0.5], np.float32)
    assert score(VALUES, answers[:, None], labels) == pytest.approx(1 - 1 / 14)


def test_scores_and_differences_as_a_person_reads_them() -> None:
    assert shown_score(CLASSES, 0.91428) == "91.43%"
    assert shown_score(VALUES, 0.98123) == "0.9812"
    assert shown_difference(CLASSES, 0.0062) == "+0.62 points"
    assert shown_difference(CLASSES, -0.0062) == "-0.62 points"
    assert shown_difference(VALUES, 0.00619) == "+0.0062"
    assert shown_difference(VALUES, -0.00619) == "-0.0062"
