"""Drift of a window: the tests that params.yaml asks for, their thresholds, and what they find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget
from components.monitor.detectors import BinDetector, Detector, KernelDetector, RankDetector, Values
from components.monitor.observed import Observed
from components.monitor.record import Finding
from components.monitor.thresholds import calibrated
from components.package import ModelSignature
from components.package.reference import DriftReference
from components.params.sections.monitor import Kind, MonitorParams
from components.tasks.rows.encoding import LARGEST
from components.tasks.summaries import summary_names

RANKS = "kolmogorov_smirnov"
KERNEL = "maximum_mean_discrepancy"


@dataclass(frozen=True)
class Aspect:
    """What is looked at, and by which test.

    Attributes:
        kind: of what is found.
        method: name of the statistic.
        names: of the tests: of the columns, or one for all.
        values: takes the columns from samples: (samples, columns).
        classes: number of classes, if the columns hold classes; else 0.
    """

    kind: Kind
    method: str
    names: tuple[str, ...]
    values: Callable[[Observed], Values]
    classes: int = 0

    def detector(self, known: Observed, rng: np.random.Generator) -> Detector:
        """What compares with the reference."""
        values = self.values(known)
        if self.method == KERNEL:
            return KernelDetector(self.names[0], values, rng)
        if self.method == RANKS:
            return RankDetector(self.names, values)
        return BinDetector(self.names, values, self.method, self.classes)

    def means(self, samples: Observed) -> list[float | None]:
        """Mean of each test's column; None: it has no column of its own, or classes in it."""
        if self.classes or self.method == KERNEL:
            return [None] * len(self.names)
        return [float(mean) for mean in self.values(samples).mean(axis=0, dtype=np.float64)]


class DriftTests:
    """All drift tests of a version.

    Args:
        params: the section ``monitor``.
        signature: of the version.
        reference: of the version.
        seed: of the directions and the windows that are drawn.
    """

    def __init__(self, params: MonitorParams, signature: ModelSignature, reference: DriftReference, seed: int) -> None:
        self._params, self._seed = params, seed
        self._spread = spread_of(reference)
        self._known = Observed.of_reference(reference)
        rng = np.random.default_rng(seed)
        aspects = list(_aspects(params, signature, reference))
        self._tests = [(aspect, aspect.detector(self._known, rng)) for aspect in aspects]

    def thresholds(self, walked: Callable[[int], None] = lambda windows: None) -> NDArray[np.float64]:
        """One for each test, so that the budget of false alarms is kept.

        Args:
            walked: told of each window that was drawn.

        Raises:
            DataError: the reference is too small for such windows.
        """
        if not self._tests:
            return np.empty(0)
        detectors = [detector for _, detector in self._tests]
        rng, params = np.random.default_rng(self._seed), self._params
        return calibrated(detectors, len(self._known), params.window, params.rate, params.resamples, rng, walked)

    def distances(self, window: Observed) -> NDArray[np.float64]:
        """Of each sample's features from the mean of the reference, in deviations: (samples,)."""
        whitened = _whitened(window, self._spread).astype(np.float64)
        distances: NDArray[np.float64] = np.sqrt(np.square(whitened).mean(axis=1))
        return distances

    def findings(self, window: Observed, thresholds: NDArray[np.float64]) -> tuple[Finding, ...]:
        """What the tests find.

        Args:
            window: samples that the version has answered.
            thresholds: as :meth:`thresholds` gives them.
        """
        bounds = iter(thresholds.tolist())
        return tuple(
            Finding(
                kind=aspect.kind,
                name=name,
                method=aspect.method,
                statistic=float(statistic),
                threshold=next(bounds),
                before=before,
                now=now,
            )
            for aspect, detector in self._tests
            for name, statistic, before, now in zip(
                aspect.names,
                detector.statistics(aspect.values(window)),
                aspect.means(self._known),
                aspect.means(window),
                strict=True,
            )
        )


def spread_of(reference: DriftReference) -> NDArray[np.float32]:
    """Deviation of the features along each component, (components,); 1 where they do not differ."""
    deviations = reference.feature_deviations
    return np.where(deviations > 0, deviations, np.float32(1.0))


def _whitened(seen: Observed, spread: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features in deviations, finite: those of the largest inputs overflow, and count as the largest numbers."""
    with np.errstate(over="ignore"):
        whitened: NDArray[np.float32] = np.nan_to_num(seen.features / spread, nan=LARGEST)
    return whitened


def _aspects(params: MonitorParams, signature: ModelSignature, reference: DriftReference) -> Iterator[Aspect]:
    """What params.yaml wants to be looked at."""
    if params.inputs:
        yield Aspect("inputs", params.inputs, summary_names(signature.inputs), lambda seen: seen.summaries)
    if params.features:
        components = len(reference.feature_deviations)
        names = tuple(f"component {place + 1}" for place in range(components))
        spread = spread_of(reference)
        whitened = lambda seen: _whitened(seen, spread)  # noqa: E731
        yield Aspect("features", params.features, ("all",) if params.features == KERNEL else names, whitened)
    target = signature.target
    answers = lambda seen: seen.answers[:, None]  # noqa: E731
    if params.predictions and isinstance(target, ClassTarget):
        classes = lambda seen: seen.classes[:, None].astype(np.float32)  # noqa: E731
        yield Aspect("predictions", params.predictions, ("classes",), classes, target.width)
    elif params.predictions:
        yield Aspect("predictions", params.predictions, ("value",), answers)
    if params.confidence and isinstance(target, ClassTarget):
        yield Aspect("confidence", params.confidence, ("largest probability",), answers)
