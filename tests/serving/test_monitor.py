"""Traffic on a real server, judged: unchanged, darkened, slow, and wrong by what people say."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from components.errors import RegistryError
from components.monitor import JudgedWindow, Waiting, monitor
from components.monitor.history import judged_windows, monitor_folder
from components.params import Params, load_params
from components.params.sections import ServiceLimits
from tests.package_factory import DIGITS, held_out
from tests.places import REPOSITORY
from tests.serving.running import Running, running
from tests.shelf import NAME, Shelf

WINDOW = 100


def params(**changes: object) -> Params:
    """A monitor that judges as often as it is asked."""
    known = load_params(REPOSITORY / "presets/digits.yaml")
    often = {"every_minutes": 0.001, "alarms_per_month": 43200, "resamples": 2000, "window": WINDOW}
    section = known.monitor.model_copy(update={**often, "service": service(3_600_000.0), **changes})
    return known.model_copy(update={"name": NAME, "monitor": section})


def service(max_p99_ms: float) -> ServiceLimits:
    """Which answers are slow."""
    return ServiceLimits(max_error_share=0.01, max_p99_ms=max_p99_ms)


def send(server: Running, images: NDArray[np.uint8]) -> list[str]:
    """Asks about images, ten a request; the ids of the requests."""
    found = []
    for start in range(0, len(images), 10):
        body = io.BytesIO()
        np.save(body, images[start : start + 10])
        answer = server.post("/predict_batch", body.getvalue(), {"Content-Type": "application/x-npy"})
        assert answer.status_code == 200, answer.text
        found.append(answer.headers["X-Request-Id"])
    return found


def judged(shelf: Shelf, **changes: object) -> JudgedWindow:
    found = monitor(params(**changes), shelf.settings)
    assert isinstance(found, JudgedWindow), found.sentence()
    return found


@pytest.mark.slow
def test_traffic_is_judged_window_by_window(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="has no champion"):
        monitor(params(), shelf.settings)
    version = shelf.promote(shelf.publish(0.0))
    images, labels = held_out().inputs[:WINDOW], held_out().labels[:WINDOW]
    with running(shelf.settings, tmp_path, log_inputs=True) as server:
        send(server, images[:50])
    early = monitor(params(), shelf.settings)
    assert isinstance(early, Waiting)
    assert (early.samples, early.version) == (50, version)
    with running(shelf.settings, tmp_path, log_inputs=True) as server:
        send(server, images[50:])
    calm = judged(shelf)
    assert (calm.samples, calm.requests, calm.firing, calm.raised) == (WINDOW, 10, (), ())
    assert "nothing has changed" in calm.sentence()
    assert isinstance(monitor(params(), shelf.settings), Waiting), "a window is judged once"

    with running(shelf.settings, tmp_path, log_inputs=True) as server:
        ids = send(server, images // 2)
        for place, label in enumerate(labels):
            truth = {"request_id": ids[place // 10], "sample": place % 10, "label": DIGITS[(label + 1) % 10]}
            assert server.client.post(f"{server.address}/feedback", json=truth).status_code == 201
        server.post("/predict", b"no image", {"Content-Type": "image/png"})
    dark = judged(shelf, service=service(0.001))
    assert {"inputs", "quality", "latency"} <= set(dark.firing)
    assert "errors" not in dark.firing, "a client's mistake is no failure of the server"
    assert dark.raised == dark.firing
    brightness = dark.strongest("inputs")
    assert brightness is not None
    assert brightness.now is not None
    assert brightness.before is not None
    assert dark.quality is not None
    assert dark.quality.labels == WINDOW
    assert dark.quality.score is not None
    assert dark.quality.score < 0.2
    assert 0 < (dark.quality.delay_seconds or 0) < 60

    folder = monitor_folder(shelf.settings, NAME)
    assert [window.until for window in judged_windows(folder)] == [calm.until, dark.until]
    index = (folder / "index.html").read_text()
    assert "An alarm stands" in index
    page = sorted((folder / "windows").glob("*.html"))[-1].read_text()
    assert page.count("data:image/png") >= 24, "the samples that look least like the reference"
    assert "Alarm: " in page
    assert "<script" not in index + page


def test_a_new_champion_begins_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    images = held_out().inputs[:WINDOW]
    with running(shelf.settings, tmp_path) as server:
        send(server, images // 4)
    assert judged(shelf).raised
    second = shelf.promote(shelf.publish(0.05))
    found = monitor(params(), shelf.settings)
    assert isinstance(found, Waiting)
    assert (found.version, found.samples) == (second, 0)
