"""The gate: whether a challenger may replace the champion, and why, in words.

Not a stage of dvc.yaml: it is asked before each promotion, about whatever is champion at that moment. Reads the
packages of both and the tags of all versions from the registry, and ``data/prepared/{test,preprocessing.json}`` and
``data/ingested``; writes
``reports/gate/gate.json``.
Guarantees: both are asked about the same samples, none of which either was trained on; where there is no champion, or
none that can be asked, the decision says so; a graph that was rolled back does not come back by itself, under whatever
number.
"""

from components.gate.checks import Candidate, decide
from components.gate.decision import Check, GateDecision
from components.gate.duels import ClassDuel, ValueDuel
from components.gate.judging import judge

__all__ = ["Candidate", "Check", "ClassDuel", "GateDecision", "ValueDuel", "decide", "judge"]
