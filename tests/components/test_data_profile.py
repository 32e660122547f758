import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data_profile import DataProfile, drift, population_stability_index

COUNTS = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


def table(labels: list[str], mean: list[float], std: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"label": labels, "mean": mean, "std": std})


def test_the_profile_counts_labels_brightness_and_contrast() -> None:
    profile = DataProfile.of(table(["b", "a", "b"], [0, 255, 16], [0, 127.5, 8]))
    assert profile.samples == 3
    assert profile.labels == {"a": 1, "b": 2}
    assert profile.brightness == (1, 1, *[0] * 13, 1)
    assert profile.contrast == (1, 1, *[0] * 13, 1)
    assert DataProfile.model_validate_json(profile.model_dump_json()) == profile


def test_the_index_is_that_of_the_formula() -> None:
    p, q = np.array([30.5, 70.5]) / 101, np.array([50.5, 50.5]) / 101
    expected = ((p - q) * np.log(p / q)).sum()
    assert population_stability_index([30, 70], [50, 50]) == pytest.approx(expected)


@given(COUNTS, COUNTS)
def test_the_index_is_symmetric_finite_and_zero_only_for_equal_shares(a: list[int], b: list[int]) -> None:
    index = population_stability_index(a, b)
    assert np.isfinite(index)
    assert index >= 0
    assert index == pytest.approx(population_stability_index(b, a))
    assert population_stability_index(a, a) == 0


def test_two_draws_of_the_same_data_hardly_drift_and_a_shift_does() -> None:
    rng = np.random.default_rng(0)

    def draw(mean: float) -> DataProfile:
        return DataProfile.of(table(list(rng.choice(["a", "b"], 2000)), rng.normal(mean, 20, 2000), [50.0] * 2000))

    assert max(drift(draw(100), draw(100)).values()) < 0.05
    shifted = drift(draw(130), draw(100))
    assert shifted["brightness"] > 0.25
    assert shifted["labels"] < 0.05


def test_a_label_that_is_new_or_gone_is_drift() -> None:
    before = DataProfile.of(table(["a"] * 100, [9] * 100, [9] * 100))
    after = DataProfile.of(table(["a"] * 50 + ["b"] * 50, [9] * 100, [9] * 100))
    assert drift(after, before)["labels"] > 1
    assert drift(before, after)["labels"] > 1
