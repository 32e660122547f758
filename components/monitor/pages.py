"""What a person looks at: a page for each window, and one of all windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, ImageInputs
from components.files import write_text
from components.monitor.figures import strengths_plot, timeline_plot
from components.monitor.history import page_of
from components.monitor.observed import Observed
from components.monitor.record import JudgedWindow
from components.monitor.watched import Watched
from components.page.environment import page_environment
from components.page.pictures import thumbnail
from components.params.sections.monitor import MonitorParams

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 24
"""Samples of a page."""


@dataclass(frozen=True)
class Outlier:
    """A sample that looks least like the reference.

    Attributes:
        request_id: of its answer.
        sample: position in the request.
        answer: the class or the value.
        distance: of its features from the reference's mean, in deviations.
        picture: data URI; None: its input is no image, or was not recorded.
    """

    request_id: str
    sample: int
    answer: str
    distance: float
    picture: str | None


def write_pages(
    folder: Path, windows: Sequence[JudgedWindow], rows: "pa.Table", watched: Watched, params: MonitorParams
) -> None:
    """Writes the page of the last window, and the page of all windows anew.

    Args:
        folder: of the monitor of this model.
        windows: that were judged, the oldest first.
        rows: of the prediction log, in the last window.
        watched: the version that answered.
        params: the section.
    """
    environment, window = page_environment("components.monitor"), windows[-1]
    page = environment.get_template("window.html.jinja").render(
        window=window,
        findings=sorted(window.findings, key=lambda found: -found.strength),
        plot_of_strengths=strengths_plot(window.findings) if window.findings else None,
        outliers=outliers(rows, watched),
        params=params,
    )
    write_text(page_of(folder, window), page)
    index = environment.get_template("timeline.html.jinja").render(
        model=window.model,
        windows=[(_link(folder, each), each) for each in reversed(windows)],
        plot_of_time=timeline_plot(windows),
        params=params,
    )
    write_text(folder / "index.html", index)


def _link(folder: Path, window: JudgedWindow) -> str | None:
    page = page_of(folder, window)
    return page.relative_to(folder).as_posix() if page.exists() else None


def outliers(rows: "pa.Table", watched: Watched) -> list[Outlier]:
    """The samples whose features are furthest from the reference, the furthest first.

    Args:
        rows: of the prediction log.
        watched: the version that answered.
    """
    signature = watched.package.signature
    labels = signature.target.labels if isinstance(signature.target, ClassTarget) else ()
    distances = watched.tests.distances(Observed.of_log(rows, labels))
    furthest = np.argsort(-distances)[:SHOWN]
    chosen = rows.take(furthest).to_pylist()
    return [
        Outlier(
            request_id=row["request_id"],
            sample=row["sample"],
            answer=row["label"] if labels else f"{row['value']:.4g}",
            distance=float(distances[place]),
            picture=_picture(row["input"], signature.inputs.shape)
            if isinstance(signature.inputs, ImageInputs)
            else None,
        )
        for place, row in zip(furthest, chosen, strict=True)
    ]


def _picture(content: bytes | None, shape: tuple[int, ...]) -> str | None:
    if content is None:
        return None
    image: NDArray[np.uint8] = np.frombuffer(content, np.uint8).reshape(shape)
    return thumbnail(image)
