"""``tunesmith lr-find``: the range test of the learning rate with a bar, and its curve as a picture and as numbers."""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from components.contracts import REPORTS
from components.files import write_bytes
from components.page.palette import LIGHT
from components.page.plot import STYLE
from components.params import Params
from components.settings import Settings
from components.train.lr_finder import STEPS, RangeTest, find_learning_rate
from flows.workspace import exclusive

FOLDER = REPORTS / "lr_find"
NUMBERS, PICTURE = FOLDER / "curve.json", FOLDER / "curve.svg"
SIZE = (6.0, 3.6)
"""Width and height of the picture, in inches."""
PAGE: dict[Any, Any] = STYLE | {
    "figure.facecolor": LIGHT.card,
    "axes.facecolor": LIGHT.card,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT.line,
    "axes.edgecolor": LIGHT.line,
    "axes.labelcolor": LIGHT.muted,
    "xtick.color": LIGHT.muted,
    "ytick.color": LIGHT.muted,
    "legend.frameon": False,
    "legend.labelcolor": LIGHT.ink,
}


def find(params: Params, settings: Settings, console: Console | None) -> RangeTest:
    """Runs the range test on the data of the workspace that is the working directory, and leaves its curve there.

    Args:
        params: the whole of params.yaml.
        settings: of them the threads and the home folder.
        console: where the bar and the suggestion are shown; None: nowhere.

    Raises:
        TunesmithError: the data is not prepared, no rate follows from the test, or a run is at work here.
    """
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    with exclusive(settings), _shown(console) as advance:
        found = find_learning_rate(params, advance)
        found.write(NUMBERS)
        write_bytes(PICTURE, draw(found))
    if console is not None:
        console.print(Text(sentence(found)), soft_wrap=True)
    return found


@contextlib.contextmanager
def _shown(console: Console | None) -> Iterator[Callable[[int], None]]:
    """Yields what is told of every step."""
    if console is None:
        yield lambda steps: None
        return
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Raising the learning rate", total=STEPS)
        yield lambda steps: bar.advance(task, steps)


def sentence(found: RangeTest) -> str:
    """The suggestion, how it came about, and where the picture is."""
    return (
        f"Set learning_rate: {found.suggestion:.2g} in train.optimizer of params.yaml: a tenth of the rate at which "
        f"the loss was lowest. It fell fastest at {found.steepest:.2g}; params.yaml has {found.current:.2g}. "
        f"The curve: {PICTURE}"
    )


def draw(found: RangeTest) -> bytes:
    """The curve as an SVG picture: the smoothed loss over the rate, with the suggestion and the present rate."""
    content = io.BytesIO()
    with mpl.rc_context(PAGE):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        _draw(figure.add_subplot(), found)
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _draw(axes: Axes, found: RangeTest) -> None:
    rates, losses = ([getattr(point, name) for point in found.points] for name in ("rate", "loss"))
    axes.plot(rates, losses, color=LIGHT.accent)
    axes.axvline(found.suggestion, color=LIGHT.good, label=f"suggestion: {found.suggestion:.2g}")
    axes.axvline(found.steepest, color=LIGHT.good, linestyle=":", label=f"steepest: {found.steepest:.2g}")
    axes.axvline(found.current, color=LIGHT.muted, linestyle="--", label=f"params.yaml: {found.current:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed training loss")
    axes.xaxis.set_major_formatter(lambda rate, place: f"{rate:.0e}")  # its own would be in TeX
    axes.legend()
