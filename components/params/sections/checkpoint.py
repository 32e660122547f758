"""Which checkpoints a params file may name."""

import os
from pathlib import Path

from components.contracts import FETCHED


def require_fetched(place: str, checkpoint: str, weights: str) -> None:
    """Refuses a local checkpoint that no stage of the graph would see change, or that none gives.

    Args:
        place: of the parameter, dotted.
        checkpoint: hub id, or path.
        weights: ``fetch.weights``.

    Raises:
        ValueError: it lies on this machine, and not where ``fetch.weights`` puts checkpoints; or that gives another.
    """
    path, given = Path(os.path.normpath(checkpoint)), Path(weights).name
    if path.is_relative_to(FETCHED) and path.relative_to(FETCHED).as_posix() not in (given, f"{given}.safetensors"):
        raise ValueError(
            f"{place}: {checkpoint} is not what fetch.weights ({weights}) gives. Set fetch.weights to its name, or "
            "name here what it gives."
        )
    if path.exists() and not path.is_relative_to(FETCHED):
        raise ValueError(
            f"{place}: a change of {checkpoint} would go unnoticed there. Put it into data/checkpoints/, set "
            f"fetch.weights: data/checkpoints/{path.name} and name it {FETCHED / path.name}."
        )
