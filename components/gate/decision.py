"""What the gate decided, as it is written to ``reports/gate/gate.json`` and told to a person."""

from typing import Any

from components.contracts import Record

NOTHING_NEW = "nothing_new"
"""The check that fails where challenger and champion are one and the same graph."""


class Check(Record):
    """One condition of the gate."""

    name: str
    passed: bool
    figures: dict[str, Any]
    """What was measured and what is allowed."""
    sentence: str


class GateDecision(Record):
    """Whether a version may become champion."""

    name: str
    version: int
    champion: int | None
    """The champion that it was compared with, and the only one that it may replace; None: there was none."""
    passed: bool
    checks: tuple[Check, ...]

    def sentence(self) -> str:
        """The decision and its reasons: all of them where it passed, those that failed where it did not."""
        nothing_new = any(check.name == NOTHING_NEW for check in self.checks)
        verdict = "may" if self.passed else "need not" if nothing_new else "must not"
        if self.champion == self.version:
            head = f"Version {self.version} of '{self.name}' is the champion already, and {verdict} stay it."
        elif self.champion is None:
            head = f"Version {self.version} of '{self.name}' {verdict} become the first champion."
        else:
            head = f"Version {self.version} of '{self.name}' {verdict} replace version {self.champion}."
        return " ".join([head, *(check.sentence for check in self.checks if check.passed == self.passed)])

    def figures(self) -> dict[str, Any]:
        """What every check measured, for the journal."""
        return {check.name: check.figures for check in self.checks}
