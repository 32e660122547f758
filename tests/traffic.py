"""Traffic as servers log it, without servers: answers whose samples are those of the version's own drift reference."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from components.package.model import REFERENCE
from components.package.reference import DriftReference
from components.params import Params, load_params
from components.predictions import outcome_columns, outcomes_folder, prediction_columns, predictions_folder
from components.rolling import RollingParquet, now
from tests.package_factory import DIGITS, SIDE
from tests.places import REPOSITORY
from tests.shelf import NAME, Shelf

WINDOW = 100


def watching(**changes: object) -> Params:
    """Parameters of a monitor of inputs that judges as often as it is asked; ``changes``: of the section."""
    known = load_params(REPOSITORY / "presets/digits.yaml")
    often = {"every_minutes": 1e-6, "alarms_per_month": 43200, "resamples": 200, "window": WINDOW}
    one = {"features": None, "predictions": None, "confidence": None, "quality": None}
    section = known.monitor.model_copy(update={**often, **one, **changes})
    return known.model_copy(update={"name": NAME, "monitor": section})


def log_answers(shelf: Shelf, version: int, *, drifted: bool = False, at: datetime | None = None) -> None:
    """A window of answers of a version, with their inputs.

    Args:
        shelf: that has the version.
        version: that answered.
        drifted: whether the samples look like none of the reference.
        at: when; None: now.
    """
    reference, at = DriftReference.load(shelf.stored(version) / REFERENCE), at or now()
    picked = np.random.default_rng(version).permutation(len(reference.answers))[:WINDOW]
    rows = [
        {
            "request_id": f"{at:%H%M%S%f}",
            "sample": sample,
            "time": at,
            "version": version,
            "package": shelf.registry.version(version).digest,
            "label": DIGITS[reference.classes[place]],
            "confidence": float(reference.answers[place]),
            "latency_ms": 1.0,
            "summary": (reference.summaries[place] + 1000 * drifted).tolist(),
            "features": reference.features[place].tolist(),
            "input": bytes(SIDE * SIDE),
        }
        for sample, place in enumerate(picked)
    ]
    files = RollingParquet(predictions_folder(shelf.settings, NAME), None)
    files.write(pa.Table.from_pylist(rows, prediction_columns()), at)


def log_requests(shelf: Shelf, status: int, requests: int) -> None:
    """Requests that have ended with a status just now."""
    rows = [{"time": now(), "status": status, "requests": requests}]
    files = RollingParquet(outcomes_folder(shelf.settings, NAME), None)
    files.write(pa.Table.from_pylist(rows, outcome_columns()), rows[0]["time"])
