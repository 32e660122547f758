"""Thresholds that keep a budget of false alarms, over all tests together.

Westfall and Young's single-step min-p procedure (Resampling-Based Multiple Testing, 1993, section 2.3): windows are
drawn from the reference, each test's statistic is turned into a p-value among those windows, and the smallest p-value
of a window is compared with what the smallest is without drift. Tests that fire together are so not paid for twice.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.monitor.detectors import Detector


def calibrated(
    detectors: Sequence[Detector],
    samples: int,
    window: int,
    rate: float,
    resamples: int,
    rng: np.random.Generator,
    walked: Callable[[int], None] = lambda windows: None,
) -> NDArray[np.float64]:
    """A threshold for each test: without drift, a share ``rate`` of windows has any test at or above its own, at most.

    Args:
        detectors: of the tests, in order.
        samples: of the reference.
        window: samples of a window.
        rate: in (0, 1).
        resamples: windows that are drawn; ten beyond the thresholds at least.
        rng: that draws them.
        walked: told of each one drawn.

    Raises:
        DataError: the reference is too small for windows of that size.
    """
    if samples < 2 * window:  # else what is left would say less than the window
        raise DataError(
            f"Windows of {window:,} samples cannot be judged by a reference of {samples:,}: it must be twice as large. "
            f"Set monitor.window to {samples // 2:,} or fewer, or keep more validation data."
        )
    drawn = np.array([_drawn(detectors, samples, window, rng, walked) for _ in range(resamples)])
    return thresholds(drawn, rate)


def _drawn(
    detectors: Sequence[Detector], samples: int, window: int, rng: np.random.Generator, walked: Callable[[int], None]
) -> NDArray[np.float64]:
    picked = np.zeros(samples, bool)
    picked[rng.permutation(samples)[:window]] = True
    walked(1)
    return np.concatenate([detector.null(picked) for detector in detectors])


def thresholds(drawn: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """The thresholds, (tests,), from the statistics of windows without drift.

    Args:
        drawn: (windows, tests).
        rate: share of the windows that may reach any of them.
    """
    reaching = _reaching(drawn)
    smallest = np.sort(reaching.min(axis=1))
    allowed = int(rate * len(drawn))
    within = smallest[:allowed][smallest[:allowed] < smallest[allowed]]  # windows that tie are let in together or not
    bound = within[-1] if len(within) else 0
    kept = np.where(reaching <= bound, drawn, np.inf).min(axis=0)
    bounds: NDArray[np.float64] = np.where(np.isfinite(kept), kept, np.nextafter(drawn.max(axis=0), np.inf))
    return bounds


def _reaching(drawn: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many windows have the same statistic or a larger one, for each window and test."""
    ordered = np.sort(drawn, axis=0)
    return np.stack(
        [len(drawn) - np.searchsorted(column, values) for column, values in zip(ordered.T, drawn.T, strict=True)],
        axis=1,
    )
