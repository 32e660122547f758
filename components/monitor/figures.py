"""The figures of a monitor's pages."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from components.monitor.record import Finding, JudgedWindow
from components.page.palette import Palette
from components.page.plot import Plot, plot
from components.params.sections.monitor import Kind

WIDTH = 8.4
"""Of a figure that takes the whole page, in inches."""
PLAIN = "{x:g}"
"""Of the marks of a logarithmic axis: powers would be formulas, which figures do not read."""
SHOWN = 24
"""Tests of one figure."""
LEAST, MOST = 0.01, 10_000.0
"""A weaker sign is drawn as the one, a stronger as the other: where a reference never varied, any change is endless."""


def strengths_plot(findings: Sequence[Finding]) -> Plot:
    """How far each test is from its threshold, the furthest on top."""
    shown = sorted(findings, key=lambda found: found.strength)[-SHOWN:]
    names = [f"{found.kind}: {found.name}" for found in shown]

    def draw(axes: Axes, palette: Palette) -> None:
        colours = [palette.bad if found.fires else palette.accent for found in shown]
        axes.barh(range(len(shown)), [_drawn(found) for found in shown], color=colours, height=0.7)
        axes.axvline(1.0, color=palette.ink, lw=1)
        axes.set_yticks(range(len(shown)), names)
        axes.set_xlabel("statistic / threshold")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(PLAIN)
        axes.grid(visible=False, axis="y")

    fired = [name for name, found in zip(names, shown, strict=True) if found.fires]
    text = f"Statistic over threshold of {len(shown)} tests; at or above 1: {', '.join(fired) or 'none'}."
    return plot(text, (WIDTH, 0.7 + 0.2 * len(shown)), draw)


def timeline_plot(windows: Sequence[JudgedWindow]) -> Plot:
    """The strongest test of each kind over time, and where alarms were raised."""
    kinds = list(dict.fromkeys(found.kind for window in windows for found in window.findings))

    def draw(axes: Axes, palette: Palette) -> None:
        colours = [palette.accent, palette.good, palette.bad, palette.ink, palette.muted, palette.line, palette.accent]
        for place, (kind, colour) in enumerate(zip(kinds, colours, strict=False)):
            times, strengths = _line(windows, kind)
            style = "--" if place == len(colours) - 1 else "-"
            axes.plot(times, strengths, style, color=colour, lw=1.2, marker="o", ms=2.5, label=kind)
        for window in windows:
            if window.raised:
                axes.axvline(_time(window), color=palette.bad, lw=1, alpha=0.5)
        axes.axhline(1.0, color=palette.ink, lw=1)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PLAIN)
        axes.set_ylabel("strongest statistic / threshold")
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.legend(loc="upper left", ncols=4, fontsize=7, frameon=False, labelcolor=palette.ink)

    raised = sum(bool(window.raised) for window in windows)
    text = f"The strongest test of each kind in {len(windows)} windows over time; {raised} raised an alarm."
    return plot(text, (WIDTH, 3.2), draw)


def _line(windows: Sequence[JudgedWindow], kind: Kind) -> tuple[list[float], list[float]]:
    strongest = [(window, window.strongest(kind)) for window in windows]
    points = [(_time(window), _drawn(found)) for window, found in strongest if found]
    return [time for time, _ in points], [strength for _, strength in points]


def _drawn(found: Finding) -> float:
    return min(max(found.strength, LEAST), MOST)


def _time(window: JudgedWindow) -> float:
    return float(date2num(window.until))  # type: ignore[no-untyped-call]
