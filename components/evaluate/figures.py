"""The figures that the report of every model has."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, PercentFormatter

from components.contracts import ClassTarget, Epoch, Target
from components.evaluate.wording import score
from components.page.numbers import NBSP
from components.page.palette import Palette
from components.page.plot import NARROW, WIDE, Plot, plot


@dataclass(frozen=True)
class Standing:
    """One model on the axis of scores: its score with the 95 % interval, and whether it is the one reported on."""

    name: str
    score: float
    interval: tuple[float, float]
    ours: bool


def standings_plot(target: Target, standings: tuple[Standing, ...]) -> Plot:
    """Scores with their intervals, the best on top."""
    ordered = sorted(standings, key=lambda standing: standing.score)

    def draw(axes: Axes, palette: Palette) -> None:
        for row, standing in enumerate(ordered):
            colour = palette.accent if standing.ours else palette.muted
            axes.plot(standing.interval, (row, row), color=colour, linewidth=5, alpha=0.35, solid_capstyle="round")
            axes.plot(standing.score, row, "o", color=colour, markersize=7)
            axes.annotate(
                score(target, standing.score), (standing.score, row), (0, 8), textcoords="offset points",
                ha="center", color=palette.ink, fontweight="bold" if standing.ours else "normal",
            )  # fmt: skip
        axes.set_yticks(range(len(ordered)), [standing.name for standing in ordered], color=palette.ink)
        axes.set_ylim(-0.5, len(ordered) - 0.3)
        axes.margins(x=0.12)
        _score_axis(axes.xaxis, target, ticks=4)
        axes.grid(visible=False, axis="y")

    text = "; ".join(f"{standing.name} {score(target, standing.score)}" for standing in reversed(ordered))
    size = (WIDE[0], 0.6 + 0.42 * len(ordered))
    return plot(f"Test {target.score} with 95 % intervals: {text}.", size, draw)


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
    return plot(text, NARROW, draw)


def score_plot(target: Target, history: tuple[Epoch, ...], best_epoch: int) -> Plot:
    """Validation score over the epochs."""

    def draw(axes: Axes, palette: Palette) -> None:
        scores = [epoch.validation_score for epoch in history]
        axes.plot([epoch.epoch for epoch in history], scores, ".-", color=palette.accent)
        _score_axis(axes.yaxis, target, ticks=6)
        _epoch_axis(axes, palette, best_epoch)

    return plot(f"Validation {target.score} by epoch, the best in epoch {best_epoch}.", NARROW, draw)


def learning_rate_plot(history: tuple[Epoch, ...], best_epoch: int) -> Plot:
    """Learning rate at the end of each epoch."""

    def draw(axes: Axes, palette: Palette) -> None:
        rates = [epoch.learning_rate for epoch in history]
        axes.plot([epoch.epoch for epoch in history], rates, ".-", color=palette.accent)
        axes.set_ylim(bottom=0)
        _epoch_axis(axes, palette, best_epoch)

    return plot("Learning rate at the end of each epoch.", NARROW, draw)


def _epoch_axis(axes: Axes, palette: Palette, best_epoch: int) -> None:
    axes.axvline(best_epoch, color=palette.good, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _score_axis(axis: Axis, target: Target, ticks: int) -> None:
    axis.set_major_locator(MaxNLocator(nbins=ticks))
    if isinstance(target, ClassTarget):
        axis.set_major_formatter(PercentFormatter(1, symbol=f"{NBSP}%"))
