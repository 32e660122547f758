import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts import Ingested, IngestedImages, IngestedRows
from components.data_profile import DataProfile, Histogram, decile_edges, drift, population_stability_index

COUNTS = st.lists(st.integers(0, 1000), min_size=4, max_size=4)
NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=60)
IMAGES = Ingested(
    content=IngestedImages(height=8, width=8, channels=1),
    labels=("a", "b"),
    label_name="label",
    summaries=("brightness", "contrast"),
    samples={"train": 1, "validation": 1, "test": 1},
    quarantined={},
    own_test_split=False,
)
ROWS = IMAGES.model_copy(
    update={
        "content": IngestedRows(numeric=("weight",), categorical=("colour",), missing="refuse"),
        "labels": None,
        "summaries": ("x.weight",),
    }
)


def images(labels: list[str], brightness: list[float], contrast: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"label": labels, "brightness": brightness, "contrast": contrast})


def rows(rng: np.random.Generator, count: int = 2000, weight: float = 5.0, price: float = 100.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": rng.normal(price, 20, count),
            "x.colour": rng.choice(["red", "green"], count),
            "x.weight": rng.normal(weight, 1, count),
        }
    )


def test_the_profile_of_images() -> None:
    brightness = [float(number) for number in range(100)]
    profile = DataProfile.of(images(["b", *["a"] * 99], brightness, [7.0] * 100), IMAGES)
    assert profile.samples == 100
    assert profile.labels == {"a": 99, "b": 1}
    assert profile.categories == {}
    assert profile.summaries["brightness"].edges == tuple(float(edge) for edge in range(9, 90, 10))
    assert profile.summaries["brightness"].counts == (9, *[10] * 8, 11, 0)
    assert profile.summaries["contrast"] == Histogram(edges=(7.0, float(np.nextafter(7, 8))), counts=(0, 100, 0, 0))
    assert DataProfile.model_validate_json(profile.model_dump_json()) == profile
    assert len(profile.model_dump_json()) < 1000


def test_the_profile_of_rows() -> None:
    table = rows(np.random.default_rng(0))
    table.loc[:9, "x.weight"] = np.nan
    profile = DataProfile.of(table, ROWS)
    assert isinstance(profile.labels, Histogram)
    assert len(profile.labels.counts) == 11
    assert sum(profile.labels.counts) == 2000
    assert profile.summaries["x.weight"].counts[-1] == 10, "what is missing is counted"
    assert sum(profile.categories["x.colour"].values()) == 2000
    assert DataProfile.model_validate_json(profile.model_dump_json()) == profile


@given(NUMBERS, NUMBERS)
def test_a_histogram_counts_every_number_once_in_the_bin_of_its_edges(before: list[float], now: list[float]) -> None:
    edges = decile_edges(np.array(before))
    assert (np.diff(edges) > 0).all()
    histogram = Histogram.of(np.array([*now, np.nan]), edges)
    assert histogram.counts[-1] == 1
    bounds = [-np.inf, *edges, np.inf]
    for count, low, high in zip(histogram.counts, bounds, bounds[1:], strict=False):
        assert count == sum(low <= number < high for number in now)


@given(NUMBERS)
def test_the_bins_of_its_own_deciles_are_even_but_for_repetitions(numbers: list[float]) -> None:
    counts = Histogram.of(np.array(numbers)).counts
    most_repeated = max(numbers.count(number) for number in numbers)
    assert max(counts) <= len(numbers) / 10 + 1 + most_repeated


def test_no_numbers_at_all() -> None:
    assert Histogram.of(np.array([np.nan, np.nan])) == Histogram(edges=(), counts=(0, 2))


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


def test_two_draws_of_the_same_images_hardly_drift_and_a_shift_does() -> None:
    rng = np.random.default_rng(0)

    def draw(mean: float) -> pd.DataFrame:
        return images(list(rng.choice(["a", "b"], 2000)), list(rng.normal(mean, 20, 2000)), [50.0] * 2000)

    before = DataProfile.of(draw(100), IMAGES)
    assert drift(draw(100), before).keys() == {"labels", "brightness", "contrast"}
    assert max(drift(draw(100), before).values()) < 0.05
    shifted = drift(draw(130), before)
    assert shifted["brightness"] > 0.25
    assert shifted["labels"] < 0.05


def test_two_draws_of_the_same_rows_hardly_drift_and_a_shift_does() -> None:
    rng = np.random.default_rng(0)
    before = DataProfile.of(rows(rng), ROWS)
    assert drift(rows(rng), before).keys() == {"labels", "x.weight", "x.colour"}
    assert max(drift(rows(rng), before).values()) < 0.05
    for column, shifted in {"x.weight": rows(rng, weight=6), "labels": rows(rng, price=130)}.items():
        found = drift(shifted, before)
        assert found.pop(column) > 0.25
        assert max(found.values()) < 0.05
    assert drift(rows(rng).assign(**{"x.colour": "blue"}), before)["x.colour"] > 1
    lacking = rows(rng)
    lacking.loc[:600, "x.weight"] = np.nan
    assert drift(lacking, before)["x.weight"] > 0.25


@pytest.mark.parametrize("now", [6.9, 7.1])
def test_what_was_the_same_for_all_is_seen_to_rise_and_to_fall(now: float) -> None:
    before = DataProfile.of(images(["a"] * 100, [7.0] * 100, [7.0] * 100), IMAGES)
    assert drift(images(["a"] * 100, [7.0] * 100, [now] * 100), before)["contrast"] > 1
    assert drift(images(["a"] * 100, [7.0] * 100, [7.0] * 100), before)["contrast"] == 0


def test_a_label_that_is_new_or_gone_is_drift() -> None:
    only, both = images(["a"] * 100, [9] * 100, [9] * 100), images(["a"] * 50 + ["b"] * 50, [9] * 100, [9] * 100)
    assert drift(both, DataProfile.of(only, IMAGES))["labels"] > 1
    assert drift(only, DataProfile.of(both, IMAGES))["labels"] > 1


def test_only_what_both_have_in_the_same_kind_is_compared() -> None:
    table = rows(np.random.default_rng(0))
    before = DataProfile.of(images(["a"] * 9, [9.0] * 9, [9.0] * 9), IMAGES)
    assert drift(table, before) == {}
    swapped = table.assign(**{"x.weight": "heavy", "x.colour": 1.0})
    assert drift(swapped, DataProfile.of(table, ROWS)).keys() == {"labels"}
