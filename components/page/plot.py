"""A figure of the report, drawn once for a light and once for a dark page."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from components.page.palette import DARK, LIGHT, Palette

WIDE, NARROW = (4.0, 3.1), (3.3, 2.5)
"""Width and height of a figure that takes a half or a third of the page, in inches."""
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "tunesmith",
    "text.parse_math": False,  # the name of a target, a class or a column may hold dollar signs
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


def plot(text: str, size: tuple[float, float], draw: Callable[[Axes, Palette], None]) -> Plot:
    """Draws a figure.

    Args:
        text: what it shows, for those who cannot see it.
        size: width and height in inches.
        draw: draws on the axes in the colours of a palette.
    """
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
