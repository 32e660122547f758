"""The tests of drift on the largest numbers that a server takes: what is found can be written down and drawn."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.monitor.drift import DriftTests
from components.monitor.figures import strengths_plot
from components.monitor.observed import Observed
from components.package import ModelSignature
from components.package.model import REFERENCE, SIGNATURE_FILE
from components.package.reference import DriftReference
from components.params import load_params
from components.settings import Settings
from tests.places import REPOSITORY
from tests.row_package import make_row_package

LARGEST = float(np.finfo(np.float32).max)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    make_row_package(tmp_path / "package", Settings(home=tmp_path / "home"))
    return tmp_path / "package"


@pytest.mark.parametrize("features", ["kolmogorov_smirnov", "maximum_mean_discrepancy", "jensen_shannon"])
@pytest.mark.parametrize("value", [LARGEST, -LARGEST, np.inf, np.nan])
def test_a_window_of_the_largest_numbers_is_found_written_and_drawn(package: Path, features: str, value: float) -> None:
    known = DriftReference.load(package / REFERENCE)
    params = load_params(REPOSITORY / "presets/digits.yaml").monitor.model_copy(update={"features": features})
    tests = DriftTests(params, ModelSignature.read(package / SIGNATURE_FILE), known, seed=0)
    calm = Observed.of_reference(known)
    large = np.clip(value, -LARGEST, LARGEST) if np.isfinite(value) else LARGEST
    window = replace(
        calm,
        summaries=np.full_like(calm.summaries, large),
        answers=np.full_like(calm.answers, large),
        features=np.full_like(calm.features, value),
    )
    findings = tests.findings(window, np.full(100, 0.5))
    json.dumps([found.model_dump(mode="json") for found in findings], allow_nan=False)
    assert next(found for found in findings if found.kind == "inputs").now == pytest.approx(large)
    assert all(found.fires for found in findings if found.kind == "features")
    assert np.isfinite(tests.distances(window)).all()
    strengths_plot(findings)
