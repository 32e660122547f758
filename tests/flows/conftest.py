"""The toy line as each test finds it."""

import shutil
from pathlib import Path

import pytest

from tests.flows.toy import make_line, repro


@pytest.fixture
def new_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A line that has never run; the working directory is in it."""
    root = make_line(tmp_path / "line")
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(root / ".tunesmith/dvc"))
    return root


@pytest.fixture(scope="session")
def _run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_line(tmp_path_factory.mktemp("run") / "line")
    repro(root)
    return root


@pytest.fixture
def line(_run_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A line that has run to its end; the working directory is in it."""
    root = shutil.copytree(_run_once, tmp_path / "line")
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(root / ".tunesmith/dvc"))
    return root
