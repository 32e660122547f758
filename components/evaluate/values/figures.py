"""The figures of a regression."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from components.page.palette import Palette
from components.page.plot import WIDE, Plot, plot

CELLS = 45
"""Hexagons across the figure."""
GROUPS = 12
"""Groups of equal size, by true value."""


def agreement_plot(name: str, values: NDArray[Any], labels: NDArray[Any]) -> Plot:
    """Answers over the truth: where all are right, they lie on the diagonal.

    Args:
        name: of the target.
        values: (samples,) answers.
        labels: (samples,) the truth.
    """
    ends = (float(min(values.min(), labels.min())), float(max(values.max(), labels.max())))

    def draw(axes: Axes, palette: Palette) -> None:
        colours = LinearSegmentedColormap.from_list("density", [f"{palette.accent}30", palette.accent])
        axes.hexbin(labels, values, gridsize=CELLS, bins="log", mincnt=1, cmap=colours, linewidths=0.1)
        axes.plot(ends, ends, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)), label="right")
        axes.set_xlabel(f"true {name}")
        axes.set_ylabel("answer")

    return plot(f"Answers by true {name}, {len(labels):,} samples: the closer to the diagonal, the better.", WIDE, draw)


def error_plot(name: str, values: NDArray[Any], labels: NDArray[Any]) -> Plot:
    """Error (answer less truth) by true value: the median, and the range of the middle 80 %.

    Args:
        name: of the target.
        values: (samples,) answers.
        labels: (samples,) the truth.
    """
    groups = np.array_split(np.argsort(labels, kind="stable"), min(GROUPS, len(labels)))
    errors = values.astype(np.float64) - labels
    at = [float(np.median(labels[group])) for group in groups]
    low, middle, high = np.array([np.quantile(errors[group], (0.1, 0.5, 0.9)) for group in groups]).T

    def draw(axes: Axes, palette: Palette) -> None:
        axes.axhline(0, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
        axes.fill_between(at, low, high, color=palette.accent, alpha=0.25, linewidth=0, label="8 of 10 answers")
        axes.plot(at, middle, ".-", color=palette.accent, label="median")
        axes.set_xlabel(f"true {name}")
        axes.set_ylabel("answer less truth")

    text = (
        f"Error by true {name}: half of the smallest values' errors are below {middle[0]:.4g}, of the largest's below "
        f"{middle[-1]:.4g}."
    )
    return plot(text, WIDE, draw)
