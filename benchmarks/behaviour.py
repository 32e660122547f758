"""How many of the tests of ``tests/behaviour`` the champion of a workspace passes."""

from pathlib import Path

import pytest

from benchmarks.workspace import ROOT
from components.contracts import Record

TESTS = ROOT / "tests" / "behaviour"


class Behaviour(Record):
    """What the tests found; those that do not concern the champion are not counted."""

    passed: int
    failed: tuple[str, ...]
    """Names of tests."""

    @property
    def shown(self) -> str:
        """Such as ``9 of 10``."""
        return f"{self.passed} of {self.passed + len(self.failed)}"


class _Verdicts:
    """A plugin of pytest that keeps what became of each test."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2]
        if report.failed:  # be it while the champion was fetched
            self.failed.append(name)
        elif report.passed and report.when == "call":
            self.passed.append(name)


def behaviour_of(workspace: Path) -> Behaviour:
    """Runs the tests; pytest prints what it finds."""
    verdicts = _Verdicts()
    pytest.main(["-p", "no:cacheprovider", str(TESTS), f"--workspace={workspace}"], plugins=[verdicts])
    return Behaviour(passed=len(verdicts.passed), failed=tuple(verdicts.failed))
