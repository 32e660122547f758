"""What the data looks like as a whole, in a few numbers: kept with a model, and compared with later data."""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.contracts import Record

MEAN_EDGES = np.linspace(0, 255, 17)
STD_EDGES = np.linspace(0, 127.5, 17)
PRIOR = 0.5
"""Added to every count (Jeffreys' prior), so that an empty bin does not make the index infinite."""


class DataProfile(Record):
    """Counts over all samples of a version of the data."""

    samples: int
    labels: dict[str, int]
    """Samples of each label."""
    brightness: tuple[int, ...]
    """Histogram of the samples' means over :data:`MEAN_EDGES`."""
    contrast: tuple[int, ...]
    """Histogram of the samples' standard deviations over :data:`STD_EDGES`."""

    @classmethod
    def of(cls, samples: pd.DataFrame) -> Self:
        """The profile of a sample table; reads its columns label, mean and std."""
        labels = samples["label"].value_counts().sort_index()
        return cls(
            samples=len(samples),
            labels={str(label): int(count) for label, count in labels.items()},
            brightness=_histogram(samples["mean"], MEAN_EDGES),
            contrast=_histogram(samples["std"], STD_EDGES),
        )


def _histogram(values: "pd.Series[float]", edges: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(np.histogram(values.to_numpy(np.float64), edges)[0].tolist())


def drift(profile: DataProfile, before: DataProfile) -> dict[str, float]:
    """Population stability index of labels, brightness and contrast against an earlier profile; 0: the same shares."""
    names = sorted(profile.labels.keys() | before.labels.keys())
    labels, labels_before = ([counts.labels.get(name, 0) for name in names] for counts in (profile, before))
    return {
        "labels": population_stability_index(labels, labels_before),
        "brightness": population_stability_index(profile.brightness, before.brightness),
        "contrast": population_stability_index(profile.contrast, before.contrast),
    }


def population_stability_index(counts: "list[int] | tuple[int, ...]", before: "list[int] | tuple[int, ...]") -> float:
    """Symmetrised Kullback-Leibler divergence of two histograms over the same bins.

    Σ (p - q) ln(p / q); Yurdakul & Naranjo 2020, doi:10.21314/JRMV.2020.227. Where nothing has changed, about
    (bins - 1) (1/n + 1/m) is to be expected for n and m samples.
    """
    p, q = (np.asarray(each, np.float64) + PRIOR for each in (counts, before))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())
