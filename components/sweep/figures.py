"""The figures of the report of a sweep."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from components.page.palette import Palette
from components.page.plot import WIDE, Plot, plot
from components.params.sections import AnyDimension, Choice, Conditional, Grid, Integer, LogUniform
from components.sweep.record import Sweep, Trial
from components.sweep.space import listed

BROAD = (8.4, 3.4)
"""Width and height of a figure that takes the whole page, in inches."""


def parallel_plot(sweep: Sweep) -> Plot:
    """Parallel coordinates: an axis for each dimension and one for the score, a line for each trial."""
    space = sweep.section.space
    trials = [trial for trial in sweep.trials if trial.values and trial.score is not None]
    scores = [trial.score for trial in trials if trial.score is not None]

    def draw(axes: Axes, palette: Palette) -> None:
        low, high = min(scores), max(scores)
        for trial in sorted(trials, key=lambda each: each.score or 0.0):
            heights = [_height(dimension, trial.values.get(place)) for place, dimension in space.items()]
            share = 1.0 if high == low else ((trial.score or 0.0) - low) / (high - low)
            won = trial.number == sweep.winner
            colour = palette.good if won else palette.accent
            axes.plot([*heights, share], color=colour, alpha=1.0 if won else 0.15 + 0.6 * share, lw=2.2 if won else 1.0)
        names = [*(place.removeprefix("train.") for place in space), f"validation {sweep.score}"]
        axes.set_xticks(range(len(names)), [_broken(name) for name in names])
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        ends = [*(_ends(dimension) for dimension in space.values()), (f"{low:.4g}", f"{high:.4g}")]
        for position, (bottom, top) in enumerate(ends):
            axes.axvline(position, color=palette.line, lw=1)
            for height, text in ((-0.04, bottom), (1.04, top)):
                align = "top" if height < 0 else "bottom"
                axes.text(position, height, text, ha="center", va=align, color=palette.muted, fontsize=7)
        axes.set_ylim(-0.14, 1.14)

    text = f"{len(trials)} trials over {len(space)} dimensions and the validation {sweep.score}; green: the best."
    return plot(text, BROAD, draw)


def _height(dimension: AnyDimension, value: Any) -> float:
    """Where on its axis a value lies, from 0 to 1; NaN, which breaks the line: the trial has none."""
    if isinstance(dimension, Conditional):
        return _height(dimension.then, value)
    if value is None:
        return math.nan
    if isinstance(dimension, Choice | Grid):
        values = listed(dimension)
        return float(values.index(value) / max(1, len(values) - 1))
    low, high = float(dimension.low), float(dimension.high)
    if isinstance(dimension, LogUniform) or (isinstance(dimension, Integer) and dimension.log):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / (high - low))


def _ends(dimension: AnyDimension) -> tuple[str, str]:
    if isinstance(dimension, Conditional):
        return _ends(dimension.then)
    low, high = (
        (listed(dimension)[0], listed(dimension)[-1])
        if isinstance(dimension, Choice | Grid)
        else (dimension.low, dimension.high)
    )
    return _short(low), _short(high)


def _short(value: Any) -> str:
    """A value in a few letters."""
    if isinstance(value, dict):
        return str(value.get("name", value.get("kind", "…")))[:14]
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:14]


def _broken(name: str) -> str:
    """The places of a name under one another."""
    return "\n".join(name.split("."))


def importance_plot(importances: Mapping[str, float]) -> Plot:
    """Bars, the largest on top."""

    def draw(axes: Axes, palette: Palette) -> None:
        names, shares = list(importances)[::-1], list(importances.values())[::-1]
        axes.barh([name.removeprefix("train.") for name in names], shares, color=palette.accent)
        axes.set_xlabel("share of the variance of the score")
        axes.grid(visible=False, axis="y")

    return plot("Share of the variance of the score that each dimension explains.", WIDE, draw)


def curves_plot(sweep: Sweep) -> Plot:
    """The score of each trial over its epochs; where a line ends early, the trial was stopped."""

    def draw(axes: Axes, palette: Palette) -> None:
        for trial in sweep.trials:
            colour, width, label = _look(trial, sweep, palette)
            epochs = [row.epoch for row in trial.epochs]
            axes.plot(epochs, [row.validation_score for row in trial.epochs], color=colour, lw=width, label=label,
                      alpha=1.0 if label else 0.35, marker="o" if len(epochs) == 1 else None, ms=2.5,
                      zorder=3 if label else 2)  # fmt: skip
        axes.set(xlabel="epoch", ylabel=f"validation {sweep.score}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return plot(f"Validation {sweep.score} of each trial over its epochs.", WIDE, draw)


def _look(trial: Trial, sweep: Sweep, palette: Palette) -> tuple[str, float, str | None]:
    """Colour, width and name of a trial's line."""
    if trial.number == sweep.winner:
        return palette.good, 2.2, f"trial {trial.number}, the best"
    if trial.number == 0:
        return palette.bad, 1.8, "params.yaml as it was"
    return palette.accent, 1.0, None


def front_plot(sweep: Sweep) -> Plot:
    """Trials by score and cost, the front joined."""
    cost = next(name for name in sweep.section.objectives if name != "validation_score")

    def draw(axes: Axes, palette: Palette) -> None:
        shown = [trial for trial in sweep.trials if trial.state == "complete" and cost in trial.costs]
        best = sorted((sweep.trials[number] for number in sweep.front), key=lambda trial: trial.costs[cost])
        axes.scatter(*_points(shown, cost), color=palette.muted, s=14)
        axes.plot(*_points(best, cost), color=palette.good, marker="o")
        axes.set(xlabel=cost.replace("_", " "), ylabel=f"validation {sweep.score}")

    return plot(f"Validation {sweep.score} over {cost}; the Pareto front is joined.", WIDE, draw)


def _points(trials: Sequence[Trial], cost: str) -> tuple[list[float], list[float]]:
    return [trial.costs[cost] for trial in trials], [trial.score or 0.0 for trial in trials]


def progress_plot(sweep: Sweep) -> Plot:
    """The best score so far over the training time that was spent."""

    def draw(axes: Axes, palette: Palette) -> None:
        spent, best, times, scores = 0.0, -math.inf, [], []
        for trial in sweep.trials:
            spent += trial.seconds
            best = max(best, -math.inf if trial.score is None else trial.score)
            if best > -math.inf:
                times.append(spent)
                scores.append(best)
        axes.step(times, scores, where="post", color=palette.accent)
        axes.set(xlabel="seconds of training, all trials", ylabel=f"best validation {sweep.score}")

    return plot("The best score so far over the seconds of training.", WIDE, draw)
