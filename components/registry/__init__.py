"""The model registry: MLflow behind one small class, for every stage that tracks, registers or promotes.

MLflow itself is imported on first use (it takes seconds), never by importing this package.
"""

from components.registry.connection import connect, experiment_id, telling
from components.registry.models import (
    CANARY,
    CHALLENGER,
    CHAMPION,
    COMPLETE,
    DIGEST,
    GRAPH_TAG,
    LOCK_TAG,
    ROLLED_BACK,
    ModelVersion,
    Registry,
)
from components.registry.peek import peek

__all__ = [
    "CANARY",
    "CHALLENGER",
    "CHAMPION",
    "COMPLETE",
    "DIGEST",
    "GRAPH_TAG",
    "LOCK_TAG",
    "ROLLED_BACK",
    "ModelVersion",
    "Registry",
    "connect",
    "experiment_id",
    "peek",
    "telling",
]
