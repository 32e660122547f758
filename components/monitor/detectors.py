"""Statistics that say how far a window lies from the reference, and what they are where nothing has changed.

What they are without drift is found by drawing windows from the reference itself and comparing each with the samples
that are left: both samples vary then, as they do in operation.
"""

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

Values = NDArray[np.float32]
Statistics = NDArray[np.float64]
BINS = 10
"""Quantiles of the reference that a continuous value is binned by."""
DIRECTIONS = 512
"""Random Fourier features of the kernel."""


class Detector(Protocol):
    """One or more tests of the same values."""

    names: tuple[str, ...]
    """Of the tests."""

    def statistics(self, window: Values) -> Statistics:
        """How far a window lies from the reference: (tests,), larger is further.

        Args:
            window: (samples, columns).
        """

    def null(self, picked: NDArray[np.bool_]) -> Statistics:
        """The same of samples picked from the reference against the rest of it.

        Args:
            picked: (reference samples,), at least one and not all.
        """


class RankDetector:
    """Kolmogorov and Smirnov's largest distance between two distribution functions, for each column.

    Args:
        names: of the columns.
        reference: (samples, columns).
    """

    def __init__(self, names: tuple[str, ...], reference: Values) -> None:
        self.names, self._reference = names, reference
        self._order = np.argsort(reference, axis=0, kind="stable")
        ordered = np.take_along_axis(reference, self._order, axis=0)
        last = np.ones((1, reference.shape[1]), bool)
        self._ends = np.concatenate([ordered[1:] != ordered[:-1], last])  # between equal values there is no distance

    def statistics(self, window: Values) -> Statistics:
        """See :class:`Detector`; each in [0, 1]."""
        pairs = zip(window.T, self._reference.T, strict=True)
        return np.array([ks_2samp(new, old, method="asymp").statistic for new, old in pairs])

    def null(self, picked: NDArray[np.bool_]) -> Statistics:
        """See :class:`Detector`."""
        inside = np.cumsum(picked[self._order], axis=0)
        places = np.arange(1, len(picked) + 1)[:, None]
        count = int(picked.sum())
        gaps = np.abs(inside / count - (places - inside) / (len(picked) - count))
        largest: Statistics = np.where(self._ends, gaps, 0.0).max(axis=0)
        return largest


class BinDetector:
    """A distance between two histograms, for each column.

    Args:
        names: of the columns.
        reference: (samples, columns).
        method: ``population_stability_index``, ``jensen_shannon`` (distance, in bits) or ``chi_squared`` (of two
            samples).
        classes: number of classes, if the columns hold classes; 0: they are binned by quantiles of the reference.
    """

    def __init__(self, names: tuple[str, ...], reference: Values, method: str, classes: int = 0) -> None:
        self.names, self._distance = names, DISTANCES[method]
        shares = np.linspace(0, 1, BINS + 1)[1:-1]
        inner = np.arange(classes - 1) + 0.5 if classes else None
        self._edges = [np.unique(np.quantile(column, shares)) if inner is None else inner for column in reference.T]
        self._bins = max(len(edges) for edges in self._edges) + 1
        self._codes = self._coded(reference)
        self._counts = self._counted(self._codes)

    def statistics(self, window: Values) -> Statistics:
        """See :class:`Detector`."""
        return self._distance(self._counted(self._coded(window)), self._counts)

    def null(self, picked: NDArray[np.bool_]) -> Statistics:
        """See :class:`Detector`."""
        window = self._counted(self._codes[picked])
        return self._distance(window, self._counts - window)

    def _coded(self, values: Values) -> NDArray[np.int64]:
        """Place of each value in the table of counts, which has a row for each column."""
        codes = [
            np.searchsorted(edges, column, side="right") for edges, column in zip(self._edges, values.T, strict=True)
        ]
        return np.stack(codes, axis=1) + np.arange(values.shape[1]) * self._bins

    def _counted(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        columns = codes.shape[1]
        return (
            np.bincount(codes.ravel(), minlength=columns * self._bins).reshape(columns, self._bins).astype(np.float64)
        )


def population_stability_index(window: NDArray[np.float64], rest: NDArray[np.float64]) -> Statistics:
    """Sum of (p - q) ln(p / q) over the bins, (columns, bins) each; half a sample of the window is added to each."""
    least = 0.5 / window.sum(axis=1, keepdims=True)
    p, q = _shares(_shares(window) + least), _shares(_shares(rest) + least)
    index: Statistics = ((p - q) * np.log(p / q)).sum(axis=1)
    return index


def jensen_shannon(window: NDArray[np.float64], rest: NDArray[np.float64]) -> Statistics:
    """Square root of the Jensen-Shannon divergence in bits, in [0, 1]."""
    distance: Statistics = jensenshannon(_shares(window), _shares(rest), base=2, axis=1)
    return distance


def chi_squared(window: NDArray[np.float64], rest: NDArray[np.float64]) -> Statistics:
    """Pearson's statistic of two samples (Press et al., Numerical Recipes, 14.3); empty bins count for nothing."""
    many, few = rest.sum(axis=1, keepdims=True), window.sum(axis=1, keepdims=True)
    both = window + rest
    terms = np.square(np.sqrt(many / few) * window - np.sqrt(few / many) * rest) / np.where(both, both, 1.0)
    total: Statistics = terms.sum(axis=1)
    return total


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares


DISTANCES = {
    "population_stability_index": population_stability_index,
    "jensen_shannon": jensen_shannon,
    "chi_squared": chi_squared,
}


class KernelDetector:
    """Maximum mean discrepancy of all columns together (Gretton et al. 2012, jmlr.org/papers/v13/gretton12a.html).

    The kernel is Gaussian, as wide as the median distance within the reference, and approximated by random Fourier
    features (Rahimi & Recht 2007).

    Args:
        name: of the test.
        reference: (samples, columns), each column of about the same spread.
        rng: that draws the directions.
    """

    def __init__(self, name: str, reference: Values, rng: np.random.Generator) -> None:
        self.names: tuple[str, ...] = (name,)
        width = _median_distance(reference)
        self._directions = rng.standard_normal((reference.shape[1], DIRECTIONS)) / width
        self._phases = rng.uniform(0, 2 * np.pi, DIRECTIONS)
        self._embedded = self._embed(reference)

    def statistics(self, window: Values) -> Statistics:
        """See :class:`Detector`: the squared distance of the mean embeddings, in [0, 2]."""
        return self._discrepancy(self._embed(window).mean(axis=0), self._total / len(self._embedded))

    def null(self, picked: NDArray[np.bool_]) -> Statistics:
        """See :class:`Detector`."""
        inside, count = self._embedded[picked].sum(axis=0), int(picked.sum())
        return self._discrepancy(inside / count, (self._total - inside) / (len(picked) - count))

    @cached_property
    def _total(self) -> NDArray[np.float64]:
        total: NDArray[np.float64] = self._embedded.sum(axis=0)
        return total

    def _embed(self, values: Values) -> NDArray[np.float64]:
        embedded: NDArray[np.float64] = np.sqrt(2 / DIRECTIONS) * np.cos(values @ self._directions + self._phases)
        return embedded

    def _discrepancy(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> Statistics:
        return np.array([np.square(one - other).sum()])


def _median_distance(values: Values, samples: int = 500) -> float:
    """Of two of the first samples; 1 where most of them are the same."""
    some = values[:: max(1, len(values) // samples)]
    squares = np.square(some[:, None] - some[None]).sum(axis=2)
    median = float(np.sqrt(np.median(squares[np.triu_indices(len(some), 1)])))
    return median or 1.0
