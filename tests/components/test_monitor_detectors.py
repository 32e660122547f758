"""The statistics of a monitor against the formulas and libraries that they are known from."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp

from components.monitor.detectors import (
    BinDetector,
    Detector,
    KernelDetector,
    RankDetector,
    chi_squared,
    jensen_shannon,
    population_stability_index,
)

NAMES = ("a", "b", "c")


def values(samples: int, seed: int = 0, shift: float = 0.0) -> NDArray[np.float32]:
    """Continuous numbers, whole numbers with many ties, and a constant."""
    rng = np.random.default_rng(seed)
    columns = [rng.normal(shift, 1, samples), rng.poisson(3 + shift, samples), np.ones(samples)]
    return np.stack(columns, axis=1).astype(np.float32)


def detectors(reference: NDArray[np.float32]) -> list[Detector]:
    binned = ("population_stability_index", "jensen_shannon", "chi_squared")
    return [
        RankDetector(NAMES, reference),
        *(BinDetector(NAMES, reference, method) for method in binned),
        KernelDetector("all", reference, np.random.default_rng(0)),
    ]


@pytest.mark.parametrize("place", range(5))
def test_samples_picked_from_the_reference_are_compared_as_a_window_with_the_rest(place: int) -> None:
    reference = values(400)
    picked = np.zeros(400, bool)
    picked[np.random.default_rng(1).permutation(400)[:100]] = True
    null = detectors(reference)[place].null(picked)
    if place == 0:  # the others keep bins, and directions, of the whole reference
        rest = RankDetector(NAMES, reference[~picked])
        assert null == pytest.approx(rest.statistics(reference[picked]), abs=1e-12)
    assert null.shape == (len(detectors(reference)[place].names),)
    assert (null >= 0).all()
    if len(null) > 1:
        assert null[2] == pytest.approx(0.0, abs=1e-3), "a constant does not differ from itself"


def test_the_largest_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    reference, window = values(500), values(100, seed=1, shift=0.3)
    found = RankDetector(NAMES, reference).statistics(window)
    assert found == pytest.approx([ks_2samp(window[:, i], reference[:, i]).statistic for i in range(3)])


def test_histograms_are_compared_by_their_formulas() -> None:
    window, rest = np.array([[10.0, 20, 30, 0]]), np.array([[40.0, 30, 20, 10]])
    p, q = window[0] / 60, rest[0] / 100
    assert jensen_shannon(window, rest)[0] == pytest.approx(jensenshannon(p, q, base=2))
    table = chi2_contingency(np.concatenate([window, rest]), correction=False)
    assert chi_squared(window, rest)[0] == pytest.approx(table.statistic)
    p, q = (p + 0.5 / 60) / (1 + 4 * 0.5 / 60), (q + 0.5 / 60) / (1 + 4 * 0.5 / 60)
    assert population_stability_index(window, rest)[0] == pytest.approx(((p - q) * np.log(p / q)).sum())


def test_classes_have_a_bin_each() -> None:
    reference = np.repeat([0.0, 1.0, 3.0], [50, 30, 20])[:, None].astype(np.float32)  # class 2 was never answered
    window = np.full((10, 1), 2.0, np.float32)
    found = BinDetector(("classes",), reference, "jensen_shannon", classes=4).statistics(window)
    assert found == pytest.approx([1.0]), "nothing in common"


def test_the_discrepancy_is_near_that_of_the_kernel_itself() -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.standard_normal((600, 4)), rng.standard_normal((300, 4)) + 0.5

    def squares(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.square(one[:, None] - other[None]).sum(axis=2)
        return found

    width = np.median(squares(reference, reference)[np.triu_indices(600, 1)])
    inside, across, outside = (
        np.exp(-squares(*pair) / (2 * width)).mean()
        for pair in ((window, window), (window, reference), (reference, reference))
    )
    detector = KernelDetector("all", reference.astype(np.float32), np.random.default_rng(1))
    exact = inside - 2 * across + outside
    assert detector.statistics(window.astype(np.float32))[0] == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize("place", range(5))
def test_a_shift_is_further_than_none(place: int) -> None:
    detector = detectors(values(1000))[place]
    near, far = detector.statistics(values(200, seed=1)), detector.statistics(values(200, seed=1, shift=1.0))
    assert (far[:2] > 2 * near[:2]).all()
