"""What the command line of a benchmark may ask for."""

import subprocess
import sys

import pytest

from benchmarks.choice import chosen
from tests.flows.toy import environment


def test_all_are_meant_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert chosen("benchmarks", "About it.", {"one": 1, "two": 2}) == ["one", "two"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", "two"])
    assert chosen("benchmarks", "About it.", {"one": 1, "two": 2}) == ["two"]


@pytest.mark.parametrize("module", ["benchmarks", "benchmarks.reliability"])
def test_one_that_there_is_not_is_told(module: str) -> None:
    command = [sys.executable, "-m", module, "foo"]
    done = subprocess.run(command, check=False, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert f"python -m {module}: error: there is no 'foo'; choose from " in done.stderr
    assert "Traceback" not in done.stderr
