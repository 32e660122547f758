"""The version that is watched: its package, and the thresholds for it, kept from window to window."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import Evaluated
from components.files import read_json, write_json
from components.monitor.drift import DriftTests
from components.package import ModelPackage
from components.package.model import REFERENCE
from components.package.reference import DriftReference
from components.params.sections.monitor import MonitorParams
from components.registry import ModelVersion, Registry


@dataclass(frozen=True)
class Watched:
    """A version whose answers are judged.

    Attributes:
        registered: its number, and the digest of its package.
        package: its parts.
        tests: of its drift.
        thresholds: one for each test.
    """

    registered: ModelVersion
    package: ModelPackage
    tests: DriftTests
    thresholds: NDArray[np.float64]

    @property
    def promised(self) -> float:
        """Its score on the test split."""
        measures = {name: self.package.metrics()[name] for name in Evaluated.model_fields}
        return Evaluated.model_validate(measures).chosen.score


def watch(
    registry: Registry,
    version: ModelVersion,
    params: MonitorParams,
    folder: Path,
    seed: int,
    walked: Callable[[int], None] = lambda windows: None,
) -> Watched:
    """Fetches a version and finds its thresholds, if neither is there yet.

    Args:
        registry: that has it.
        version: to be watched.
        params: the section.
        folder: of the monitor of this model.
        seed: of the windows that are drawn.
        walked: told of each of them.

    Raises:
        RegistryError: the registry cannot be reached.
        PackageError: the package does not verify.
        DataError: its reference is too small for such windows.
    """
    place = kept_of(version.digest, folder)
    if not (place / "package").exists():
        registry.download(version.version, place / "package")
    package = ModelPackage.read(place / "package")
    tests = DriftTests(params, package.signature, DriftReference.load(package.folder / REFERENCE), seed)
    known = place / f"thresholds-{_key(params, seed)}.json"
    if not known.exists():
        write_json(known, tests.thresholds(walked).tolist())
    return Watched(version, package, tests, np.array(read_json(known)))


def kept_of(package: str, folder: Path) -> Path:
    """Where what is kept of a version lies, by the digest of its package."""
    return folder / "versions" / package


def _key(params: MonitorParams, seed: int) -> str:
    """Of what the thresholds depend on, beside the version."""
    asked = params.model_dump(
        mode="json",
        include={
            "window", "every_minutes", "alarms_per_month", "confirmations", "resamples",
            "inputs", "features", "predictions", "confidence",
        },
    )  # fmt: skip
    return hashlib.sha256(f"{sorted(asked.items())} {seed}".encode()).hexdigest()[:16]
