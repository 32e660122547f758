"""Which checkpoints a params file may name."""

import os
from pathlib import Path

from components.contracts import FETCHED


def require_fetched(place: str, checkpoint: str) -> None:
    """Refuses a local checkpoint that no stage of the graph would see change.

    Args:
        place: of the parameter, dotted.
        checkpoint: hub id, or path.

    Raises:
        ValueError: it lies on this machine, and not where ``fetch.weights`` puts checkpoints.
    """
    path = Path(os.path.normpath(checkpoint))
    if path.exists() and not path.is_relative_to(FETCHED):
        raise ValueError(
            f"{place}: a change of {checkpoint} would go unnoticed there. Put it into data/checkpoints/, set "
            f"fetch.weights: data/checkpoints/{path.name} and name it {FETCHED / path.name}."
        )
