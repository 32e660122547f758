"""ONNX Runtime tells nobody of the graphs that it is given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import REPOSITORY

TRACE = ".ses"
"""File in which its telemetry keeps a number for this machine, once it is at work."""


def traces(module: str, folder: Path) -> set[str]:
    """What an import leaves in the folder for temporary files, in a shell that turns nothing off."""
    told = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    told |= {"TMPDIR": str(folder), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", f"import {module}"], env=told, check=True, capture_output=True)
    return {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("module", ["components.inference", "components.evaluate.run", "serving.graph", "serving.app"])
def test_what_imports_it_has_turned_its_telemetry_off(module: str, tmp_path: Path) -> None:
    assert TRACE not in traces(module, tmp_path)


def test_by_itself_it_would_tell(tmp_path: Path) -> None:
    assert TRACE in traces("onnxruntime", tmp_path), "else the test above says nothing"
