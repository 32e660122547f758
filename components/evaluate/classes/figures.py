"""The figures of a classifier."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from components.evaluate.classes.metrics import CalibrationBins
from components.page.numbers import NBSP, percent
from components.page.palette import Palette
from components.page.plot import WIDE, Plot, plot
from components.tasks.intervals import wilson_interval


def reliability_plot(bins: CalibrationBins) -> Plot:
    """Accuracy of the answers of each confidence, with 95 % intervals, and how many of the answers there are."""
    edges = np.linspace(0, 1, len(bins.counts) + 1)[:-1]
    width = 1 / len(bins.counts)
    filled = bins.counts > 0
    right = np.rint(bins.accuracy * bins.counts).astype(int)
    intervals = np.array([wilson_interval(int(k), int(n)) for k, n in zip(right, bins.counts, strict=True) if n])

    def draw(axes: Axes, palette: Palette) -> None:
        axes.plot((0, 1), (0, 1), color=palette.muted, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
        share = bins.counts / bins.counts.sum()
        axes.bar(edges, share, width, align="edge", color=palette.muted, alpha=0.25, label="share of the answers")
        axes.vlines(bins.confidence[filled], *intervals.T, color=palette.accent, linewidth=4, alpha=0.3)
        axes.plot(bins.confidence[filled], bins.accuracy[filled], "o", color=palette.accent, label="accuracy")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=f"{NBSP}%"))
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("confidence")

    return plot(f"Accuracy by confidence; expected calibration error {bins.error:.4f}.", WIDE, draw)


def coverage_plot(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Plot:
    """Accuracy if only the most confident answers are given (risk and coverage, El-Yaniv & Wiener 2010, JMLR 11)."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    accuracy = right.cumsum() / np.arange(1, len(right) + 1)
    kept = np.unique(np.linspace(len(right) // 20, len(right) - 1, 200).astype(int))

    def draw(axes: Axes, palette: Palette) -> None:
        axes.plot((kept + 1) / len(right), accuracy[kept], color=palette.accent)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, symbol=f"{NBSP}%"))
        axes.set_xlabel("share of the samples that are answered")

    most = accuracy[int(0.9 * len(right)) - 1]
    return plot(
        f"Accuracy by share of answered samples; {percent(most, 2)} if the least confident tenth is set aside.",
        WIDE,
        draw,
    )
