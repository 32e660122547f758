"""What the data looks like as a whole, in a few numbers: kept with a model, and compared with later data."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from components.contracts import Ingested, IngestedRows, Record

FEATURE = "x."
"""Begins the name of a feature's column in the sample table."""
DECILES = np.arange(1, 10) / 10  # not linspace, whose 0.3 is a little more than 0.3
PRIOR = 0.5
"""Added to every count (Jeffreys' prior), so that an empty bin does not make the index infinite."""


class Histogram(Record):
    """How many of some numbers lie between edges that were chosen once."""

    edges: tuple[float, ...]
    """Ascending. A number that is an edge lies above it; the first and the last bin are open."""
    counts: tuple[int, ...]
    """Of each bin, from the lowest: one more than there are edges; then of what is no number."""

    @classmethod
    def of(cls, values: NDArray[np.float64], edges: NDArray[np.float64] | None = None) -> Self:
        """Counts numbers.

        Args:
            values: (samples,); NaN where missing.
            edges: of an earlier histogram; None: the deciles of these values.
        """
        known = values[~np.isnan(values)]
        edges = decile_edges(known) if edges is None else edges
        bins = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
        return cls(edges=tuple(edges.tolist()), counts=(*bins.tolist(), len(values) - len(known)))


class DataProfile(Record):
    """Counts over all samples of a version of the data."""

    samples: int
    labels: dict[str, int] | Histogram
    """Samples of each class, or a histogram of the values."""
    summaries: dict[str, Histogram]
    """Of each summary of the sample table."""
    categories: dict[str, dict[str, int]]
    """Samples of each category, of each column of categories of the sample table."""

    @classmethod
    def of(cls, samples: pd.DataFrame, ingested: Ingested) -> Self:
        """The profile of a sample table.

        Args:
            samples: reads its columns label, the summaries and the categories.
            ingested: what ingest says of it.
        """
        labels = samples["label"]
        return cls(
            samples=len(samples),
            labels=Histogram.of(labels.to_numpy(np.float64)) if ingested.labels is None else _counts(labels),
            summaries={name: Histogram.of(samples[name].to_numpy(np.float64)) for name in ingested.summaries},
            categories={name: _counts(samples[name]) for name in category_columns(ingested)},
        )


def category_columns(ingested: Ingested) -> tuple[str, ...]:
    """The columns of the sample table that hold categories."""
    match ingested.content:
        case IngestedRows(categorical=names):
            return tuple(FEATURE + name for name in names)
        case _:
            return ()


def decile_edges(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges between which about as many numbers lie: the deciles.

    A number that is several deciles gets a bin of its own, so that what was once the same for all can be seen to rise
    as well as to fall.
    """
    if not known.size:
        return np.empty(0)
    deciles, times = np.unique(np.quantile(known, DECILES, method="inverted_cdf"), return_counts=True)
    return np.unique([deciles, np.where(times > 1, np.nextafter(deciles, np.inf), deciles)])


def drift(samples: pd.DataFrame, before: DataProfile) -> dict[str, float]:
    """Population stability index of the labels and of each column that an earlier profile knows; 0: the same shares.

    Args:
        samples: a sample table; a column that it lacks, or that has changed between numbers and names, is left out.
        before: the profile, whose bins are used.

    Returns:
        By name: ``labels``, and the columns.
    """
    known: dict[str, dict[str, int] | Histogram] = {"labels": before.labels, **before.summaries, **before.categories}
    columns = samples.rename(columns={"label": "labels"})
    return {
        name: _drift(columns[name], counts)
        for name, counts in known.items()
        if name in columns and is_numeric_dtype(columns[name]) == isinstance(counts, Histogram)
    }


def _drift(values: "pd.Series[Any]", before: dict[str, int] | Histogram) -> float:
    if isinstance(before, Histogram):
        now = Histogram.of(values.to_numpy(np.float64), np.asarray(before.edges))
        return population_stability_index(now.counts, before.counts)
    counts = _counts(values)
    names = sorted(counts.keys() | before.keys())
    return population_stability_index(*([each.get(name, 0) for name in names] for each in (counts, before)))


def _counts(names: "pd.Series[str]") -> dict[str, int]:
    return {str(name): int(count) for name, count in names.value_counts().sort_index().items()}


def population_stability_index(counts: Sequence[int], before: Sequence[int]) -> float:
    """Symmetrised Kullback-Leibler divergence of two histograms over the same bins.

    Σ (p - q) ln(p / q); Yurdakul & Naranjo 2020, doi:10.21314/JRMV.2020.227. Where nothing has changed, about
    (bins - 1) (1/n + 1/m) is to be expected for n and m samples.
    """
    p, q = (np.asarray(each, np.float64) + PRIOR for each in (counts, before))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())
