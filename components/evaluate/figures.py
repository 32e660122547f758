"""The figures of the report, each drawn once for a light and once for a dark page."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from components.contracts import Epoch
from components.evaluate.metrics import CalibrationBins, wilson_interval
from components.evaluate.palette import DARK, LIGHT, Palette
from components.evaluate.wording import NBSP, percent

WIDE, NARROW = (4.0, 3.1), (3.3, 2.5)
"""Width and height of a figure that takes a half or a third of the page, in inches."""
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "tunesmith",
}


@dataclass(frozen=True)
class Plot:
    """A figure as two SVG images.

    Attributes:
        light: data URI, for a light page.
        dark: data URI, for a dark one.
        text: what it shows, for those who cannot see it.
    """

    light: str
    dark: str
    text: str


@dataclass(frozen=True)
class Standing:
    """One model on the axis of accuracies: accuracy and its 95 % interval, each in [0, 1]."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    ours: bool


def _plot(text: str, size: tuple[float, float], draw: Callable[[Axes, Palette], None]) -> Plot:
    light, dark = (_draw(draw, palette, size) for palette in (LIGHT, DARK))
    return Plot(light, dark, text)


def _draw(draw: Callable[[Axes, Palette], None], palette: Palette, size: tuple[float, float]) -> str:
    content = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        _dress(axes, palette)
        draw(axes, palette)
        _dress_legend(axes, palette)
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(content.getvalue()).decode()


def _dress(axes: Axes, palette: Palette) -> None:
    axes.grid(color=palette.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=palette.muted, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(palette.muted)


def _dress_legend(axes: Axes, palette: Palette) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, labelcolor=palette.ink, handlelength=1.4)


def standings_plot(standings: tuple[Standing, ...]) -> Plot:
    """Accuracies with their intervals, the best on top."""
    ordered = sorted(standings, key=lambda standing: standing.accuracy)

    def draw(axes: Axes, palette: Palette) -> None:
        for row, standing in enumerate(ordered):
            colour = palette.accent if standing.ours else palette.muted
            axes.plot(standing.interval, (row, row), color=colour, linewidth=5, alpha=0.35, solid_capstyle="round")
            axes.plot(standing.accuracy, row, "o", color=colour, markersize=7)
            axes.annotate(
                percent(standing.accuracy, 2), (standing.accuracy, row), (0, 8), textcoords="offset points",
                ha="center", color=palette.ink, fontweight="bold" if standing.ours else "normal",
            )  # fmt: skip
        axes.set_yticks(range(len(ordered)), [standing.name for standing in ordered], color=palette.ink)
        axes.set_ylim(-0.5, len(ordered) - 0.3)
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=f"{NBSP}%"))
        axes.grid(visible=False, axis="y")

    text = "; ".join(f"{standing.name} {percent(standing.accuracy, 2)}" for standing in reversed(ordered))
    return _plot(f"Test accuracy with 95 % intervals: {text}.", (WIDE[0], 0.6 + 0.42 * len(ordered)), draw)


def loss_plot(history: tuple[Epoch, ...], best_epoch: int) -> Plot:
    """Training and validation loss over the epochs."""
    epochs = [epoch.epoch for epoch in history]

    def draw(axes: Axes, palette: Palette) -> None:
        train = [epoch.train_loss for epoch in history]
        validation = [epoch.validation_loss for epoch in history]
        axes.plot(epochs, train, ".-", color=palette.muted, label="training")
        axes.plot(epochs, validation, ".-", color=palette.accent, label="validation")
        axes.set_ylim(bottom=0)
        _epoch_axis(axes, palette, best_epoch)

    last = history[-1]
    text = f"Loss by epoch; at the end {last.train_loss:.3f} in training and {last.validation_loss:.3f} in validation."
    return _plot(text, NARROW, draw)


def accuracy_plot(history: tuple[Epoch, ...], best_epoch: int) -> Plot:
    """Validation accuracy over the epochs."""

    def draw(axes: Axes, palette: Palette) -> None:
        accuracies = [epoch.validation_accuracy for epoch in history]
        axes.plot([epoch.epoch for epoch in history], accuracies, ".-", color=palette.accent)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=f"{NBSP}%"))
        _epoch_axis(axes, palette, best_epoch)

    return _plot(f"Validation accuracy by epoch, the best in epoch {best_epoch}.", NARROW, draw)


def learning_rate_plot(history: tuple[Epoch, ...], best_epoch: int) -> Plot:
    """Learning rate at the end of each epoch."""

    def draw(axes: Axes, palette: Palette) -> None:
        rates = [epoch.learning_rate for epoch in history]
        axes.plot([epoch.epoch for epoch in history], rates, ".-", color=palette.accent)
        axes.set_ylim(bottom=0)
        _epoch_axis(axes, palette, best_epoch)

    return _plot("Learning rate at the end of each epoch.", NARROW, draw)


def _epoch_axis(axes: Axes, palette: Palette, best_epoch: int) -> None:
    axes.axvline(best_epoch, color=palette.good, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


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

    return _plot(f"Accuracy by confidence; expected calibration error {bins.error:.4f}.", WIDE, draw)


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
        axes.set_xlabel("share of the images that are answered")

    most = accuracy[int(0.9 * len(right)) - 1]
    return _plot(
        f"Accuracy by share of answered samples; {percent(most, 2)} if the least confident tenth is set aside.",
        WIDE,
        draw,
    )
