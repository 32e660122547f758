"""The conditions of the gate, as pure functions on the answers of two models."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from components.contracts import Incomparable
from components.gate.decision import NOTHING_NEW, Check, GateDecision
from components.params.sections import GateParams


@dataclass(frozen=True)
class Candidate:
    """What is known of the challenger by itself.

    Attributes:
        version: its number.
        graph_bytes: size of its ONNX graph.
        accuracy: on the whole test split.
        baseline: the simple model that it was measured against.
        baseline_accuracy: that model's, on the same samples.
    """

    version: int
    graph_bytes: int
    accuracy: float
    baseline: str
    baseline_accuracy: float


@dataclass(frozen=True, eq=False)
class Duel:
    """Challenger and champion on the same samples, which neither was trained on.

    Attributes:
        champion: the champion's version.
        labels: names of the classes that the samples are of.
        truth: (samples,) int64, index into ``labels``; at least one sample.
        challenger_answers: (samples,) int64, likewise; -1 for any other class.
        champion_answers: (samples,) int64, likewise.
        challenger_ms: median time for one sample, one thread.
        champion_ms: the champion's, measured in turn with it.
        remark: a sentence about the choice of the samples, or nothing.
    """

    champion: int
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    challenger_answers: NDArray[np.int64]
    champion_answers: NDArray[np.int64]
    challenger_ms: float
    champion_ms: float
    remark: str = ""


@dataclass(frozen=True)
class SameGraph:
    """A champion that is the challenger itself under another number.

    Attributes:
        champion: the champion's version.
        sha256: of the graph of both.
    """

    champion: int
    sha256: str


@dataclass(frozen=True)
class Withdrawn:
    """A version with the challenger's graph that was rolled back, and was not champion again since.

    Attributes:
        version: its number.
        reason: why it was rolled back, in the words of whoever did it.
    """

    version: int
    reason: str


Rival = Duel | Incomparable | SameGraph | Withdrawn | None
"""What stands against the challenger; None: nothing."""


def decide(name: str, candidate: Candidate, champion: int | None, rival: Rival, gate: GateParams) -> GateDecision:
    """Applies the section ``gate``.

    Args:
        name: of the registered model.
        candidate: the challenger.
        champion: the champion's version; None: there is none.
        rival: the comparison with it, or what makes one idle; None: there is nothing to compare with, and the other
            conditions stand alone.
        gate: the conditions.
    """
    checks = _against(rival, gate)
    if not isinstance(rival, SameGraph):
        checks += [_size(candidate, gate), _gain(candidate, gate)]
    return GateDecision(
        name=name,
        version=candidate.version,
        champion=champion,
        passed=all(check.passed for check in checks),
        checks=tuple(checks),
    )


def _against(rival: Rival, gate: GateParams) -> list[Check]:
    if rival is None:
        return []
    if isinstance(rival, SameGraph):
        sentence = f"It is the very same graph as version {rival.champion}, so there is nothing to promote."
        return [Check(name=NOTHING_NEW, passed=False, figures={"graph": rival.sha256}, sentence=sentence)]
    if isinstance(rival, Withdrawn):
        return [_withdrawn(rival)]
    if isinstance(rival, Incomparable):
        sentence = (
            f"It cannot be compared with version {rival.version}: {rival.reason} Promote it by hand if that is meant."
        )
        return [Check(name="comparison", passed=False, figures={"reason": rival.reason}, sentence=sentence)]
    return [_accuracy(rival, gate), _paired_test(rival, gate), _recalls(rival, gate), _latency(rival, gate)]


def _withdrawn(rival: Withdrawn) -> Check:
    reason = rival.reason.strip().rstrip(".") or "no reason was given"
    return Check(
        name="rolled_back",
        passed=False,
        figures={"version": rival.version, "reason": rival.reason},
        sentence=(
            f"It is the very same graph as version {rival.version}, which was rolled back: {reason}. "
            "Promote it by hand if that is settled."
        ),
    )


def _accuracy(duel: Duel, gate: GateParams) -> Check:
    samples = len(duel.truth)
    challenger = int((duel.challenger_answers == duel.truth).sum())
    champion = int((duel.champion_answers == duel.truth).sum())
    passed = (champion - challenger) / samples <= gate.max_accuracy_drop
    sentence = (
        f"It is right on {challenger / samples:.2%} of the same {samples:,} samples, version {duel.champion} on "
        f"{champion / samples:.2%}{_allowed(passed, f'at most {_points(gate.max_accuracy_drop)} may be lost')}."
    )
    figures = {"challenger": challenger / samples, "champion": champion / samples, "samples": samples}
    return Check(
        name="accuracy",
        passed=passed,
        figures=figures | {"max_drop": gate.max_accuracy_drop},
        sentence=f"{sentence} {duel.remark}".strip(),
    )


def worse_p_value(only_challenger_right: int, only_champion_right: int) -> float:
    """Exact one-sided McNemar test (1947, doi:10.1007/BF02295996) against "the challenger is no worse".

    Returns:
        The probability that the challenger alone is right so rarely, if both were right equally often; 1 where the two
        never differ.
    """
    differing = only_challenger_right + only_champion_right
    return float(binomtest(only_challenger_right, differing, 0.5, alternative="less").pvalue) if differing else 1.0


def _paired_test(duel: Duel, gate: GateParams) -> Check:
    challenger, champion = duel.challenger_answers == duel.truth, duel.champion_answers == duel.truth
    gained, lost = int((challenger & ~champion).sum()), int((champion & ~challenger).sum())
    p_value = worse_p_value(gained, lost)
    passed = p_value >= gate.significance
    verdict = "it is not shown to be worse" if passed else "it is worse, and not by chance"
    sentence = (
        f"It alone is right on {gained:,} samples, version {duel.champion} alone on {lost:,}: {verdict} (one-sided "
        f"exact McNemar test, p = {p_value:.2g}, level {gate.significance:g})."
    )
    figures = {"only_challenger_right": gained, "only_champion_right": lost, "p_value": p_value}
    return Check(
        name="paired_test", passed=passed, figures=figures | {"significance": gate.significance}, sentence=sentence
    )


def _recalls(duel: Duel, gate: GateParams) -> Check:
    drops = {}
    for index, label in enumerate(duel.labels):
        members = duel.truth == index
        if members.any():
            found = [
                int((answers[members] == index).sum()) for answers in (duel.champion_answers, duel.challenger_answers)
            ]
            drops[label] = (found[0] - found[1]) / int(members.sum())
    worst = max(drops, key=lambda label: drops[label])
    passed = drops[worst] <= gate.max_class_recall_drop
    most = f"The most recall that a class lost is {_points(drops[worst])} ({worst})"
    rule = _allowed(passed, f"{_points(gate.max_class_recall_drop)} are allowed")
    return Check(
        name="class_recall",
        passed=passed,
        figures={"drops": drops, "max_drop": gate.max_class_recall_drop},
        sentence=f"{most if drops[worst] > 0 else 'No class lost recall'}{rule}.",
    )


def _latency(duel: Duel, gate: GateParams) -> Check:
    ratio = duel.challenger_ms / duel.champion_ms
    passed = ratio <= gate.max_latency_ratio
    sentence = (
        f"One sample takes {ratio:.2f} × the champion's time ({duel.challenger_ms:.3f} against "
        f"{duel.champion_ms:.3f} ms){_allowed(passed, f'{gate.max_latency_ratio:g} × is allowed')}."
    )
    figures = {"challenger_ms": duel.challenger_ms, "champion_ms": duel.champion_ms, "ratio": ratio}
    return Check(
        name="latency", passed=passed, figures=figures | {"max_ratio": gate.max_latency_ratio}, sentence=sentence
    )


def _size(candidate: Candidate, gate: GateParams) -> Check:
    passed = candidate.graph_bytes <= gate.max_bytes
    return Check(
        name="size",
        passed=passed,
        figures={"bytes": candidate.graph_bytes, "max_bytes": gate.max_bytes},
        sentence=f"Its graph has {candidate.graph_bytes:,} bytes; {gate.max_bytes:,} are allowed.",
    )


def _gain(candidate: Candidate, gate: GateParams) -> Check:
    gain = round(candidate.accuracy - candidate.baseline_accuracy, 12)  # 0.6 - 0.5 is a gain of 0.1
    passed = gain >= gate.min_gain_over_baseline
    figures = {"accuracy": candidate.accuracy, "baseline": candidate.baseline_accuracy, "gain": gain}
    return Check(
        name="gain_over_baseline",
        passed=passed,
        figures=figures | {"min_gain": gate.min_gain_over_baseline},
        sentence=(
            f"It is right on {candidate.accuracy:.2%} of the test split, the baseline {candidate.baseline} on "
            f"{candidate.baseline_accuracy:.2%}"
            f"{_allowed(passed, f'a gain of {_points(gate.min_gain_over_baseline)} is asked')}."
        ),
    )


def _allowed(passed: bool, rule: str) -> str:
    """The rule, where it was broken."""
    return "" if passed else f"; {rule}"


def _points(share: float) -> str:
    return f"{share * 100:.1f} points"
