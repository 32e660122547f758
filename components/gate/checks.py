"""The conditions of the gate, as pure functions on the answers of two models."""

from dataclasses import dataclass

import numpy as np

from components.contracts import Incomparable, Target
from components.gate.decision import NOTHING_NEW, Check, GateDecision
from components.gate.duels import (
    ClassDuel,
    Rival,
    SameGraph,
    ValueDuel,
    Withdrawn,
    mcnemar_worse,
    sure_drop,
    wilcoxon_worse,
)
from components.params.sections import ClassificationGateParams, GateParams
from components.tasks.score import accuracy, r_squared, shown_difference, shown_score


@dataclass(frozen=True)
class Candidate:
    """What is known of the challenger by itself.

    Attributes:
        version: its number.
        target: what it gives.
        graph_bytes: size of its ONNX graph.
        score: on the whole test split.
        baseline: the simple model that it was measured against.
        baseline_score: that model's, on the same samples.
        uncompressed: why no compressed variant left the line; None: one did.
    """

    version: int
    target: Target
    graph_bytes: int
    score: float
    baseline: str
    baseline_score: float
    uncompressed: str | None = None


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
        checks += [_size(candidate, gate), _gain(candidate, gate), *_compression(candidate)]
    return GateDecision(
        name=name,
        version=candidate.version,
        champion=champion,
        passed=all(check.passed for check in checks),
        checks=tuple(checks),
    )


def _against(rival: Rival, gate: GateParams) -> list[Check]:
    match rival:
        case None:
            return []
        case SameGraph():
            sentence = f"It is the very same graph as version {rival.champion}, so there is nothing to promote."
            return [Check(name=NOTHING_NEW, passed=False, figures={"graph": rival.sha256}, sentence=sentence)]
        case Withdrawn():
            return [_withdrawn(rival)]
        case Incomparable():
            return [_incomparable(rival)]
        case ClassDuel():
            tests = [_mcnemar(rival, gate), *_recalls(rival, gate)]
        case ValueDuel():
            tests = [_wilcoxon(rival, gate)]
    return [_score(rival, gate), *_test_size(rival, gate), *tests, _latency(rival, gate)]


def _incomparable(rival: Incomparable) -> Check:
    sentence = (
        f"It cannot be compared with version {rival.version}: {rival.reason} Promote it by hand if that is meant."
    )
    return Check(name="comparison", passed=False, figures={"reason": rival.reason}, sentence=sentence)


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


def _scores(duel: ClassDuel | ValueDuel) -> tuple[float, float]:
    """The challenger's and the champion's."""
    match duel:
        case ClassDuel():
            return accuracy(duel.challenger_answers, duel.truth), accuracy(duel.champion_answers, duel.truth)
        case ValueDuel():
            return r_squared(duel.challenger_answers, duel.truth), r_squared(duel.champion_answers, duel.truth)


def _score(duel: ClassDuel | ValueDuel, gate: GateParams) -> Check:
    challenger, champion = _scores(duel)
    passed = round(champion - challenger, 12) <= gate.max_score_drop  # 0.91 - 0.9 is a drop of 0.01
    rule = f"at most {_lost(duel.target, gate.max_score_drop)} may be lost"
    sentence = (
        f"Its {duel.target.score} is {shown_score(duel.target, challenger)} on the same {len(duel.truth):,} samples, "
        f"version {duel.champion}'s {shown_score(duel.target, champion)}{_allowed(passed, rule)}."
    )
    figures = {"challenger": challenger, "champion": champion, "samples": len(duel.truth)}
    return Check(
        name="score",
        passed=passed,
        figures=figures | {"max_drop": gate.max_score_drop},
        sentence=f"{sentence} {duel.remark}".strip(),
    )


def _test_size(duel: ClassDuel | ValueDuel, gate: GateParams) -> list[Check]:
    """Tells that a loss that is not allowed could hide in so small a test split; that alone is no reason against it."""
    sure = sure_drop(duel.score_error, gate.significance)
    if sure <= gate.max_score_drop:
        return []
    sentence = (
        f"The test split is too small to decide: with {len(duel.truth):,} samples a loss of "
        f"{_lost(duel.target, gate.max_score_drop)} can be chance; one of {_lost(duel.target, sure)} would show in "
        "four cases of five."
    )
    figures = {"sure_drop": sure, "max_drop": gate.max_score_drop, "samples": len(duel.truth)}
    return [Check(name="test_size", passed=True, figures=figures, sentence=sentence)]


def _mcnemar(duel: ClassDuel, gate: GateParams) -> Check:
    gained, lost = duel.only_challenger_right, duel.only_champion_right
    p_value = mcnemar_worse(gained, lost)
    passed = p_value >= gate.significance
    sentence = (
        f"It alone is right on {gained:,} samples, version {duel.champion} alone on {lost:,}: {_verdict(passed)} "
        f"(one-sided exact McNemar test, p = {p_value:.2g}, level {gate.significance:g})."
    )
    figures = {"only_challenger_right": gained, "only_champion_right": lost, "p_value": p_value}
    return Check(
        name="paired_test", passed=passed, figures=figures | {"significance": gate.significance}, sentence=sentence
    )


def _wilcoxon(duel: ValueDuel, gate: GateParams) -> Check:
    excess = duel.excess
    closer, further = int((excess < 0).sum()), int((excess > 0).sum())
    p_value = wilcoxon_worse(excess)
    passed = p_value >= gate.significance
    sentence = (
        f"It is closer to the truth on {closer:,} samples, version {duel.champion} on {further:,}: {_verdict(passed)} "
        f"(one-sided Wilcoxon signed-rank test, p = {p_value:.2g}, level {gate.significance:g})."
    )
    figures = {"closer": closer, "further": further, "median_excess": float(np.median(excess)), "p_value": p_value}
    return Check(
        name="paired_test", passed=passed, figures=figures | {"significance": gate.significance}, sentence=sentence
    )


def _verdict(passed: bool) -> str:
    return "it is not shown to be worse" if passed else "it is worse, and not by chance"


def _recalls(duel: ClassDuel, gate: GateParams) -> list[Check]:
    if not isinstance(gate, ClassificationGateParams):
        return []
    drops = duel.recall_drops()
    worst = max(drops, key=lambda label: drops[label])
    passed = drops[worst] <= gate.max_class_recall_drop
    most = f"The most recall that a class lost is {_points(drops[worst])} ({worst})"
    rule = _allowed(passed, f"{_points(gate.max_class_recall_drop)} are allowed")
    return [
        Check(
            name="class_recall",
            passed=passed,
            figures={"drops": drops, "max_drop": gate.max_class_recall_drop},
            sentence=f"{most if drops[worst] > 0 else 'No class lost recall'}{rule}.",
        )
    ]


def _latency(duel: ClassDuel | ValueDuel, gate: GateParams) -> Check:
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


def _compression(candidate: Candidate) -> list[Check]:
    """Tells that the graph is as large and as slow as it was trained; that alone is no reason against it."""
    if candidate.uncompressed is None:
        return []
    sentence = f"It is not compressed: {candidate.uncompressed}."
    return [Check(name="compression", passed=True, figures={"reason": candidate.uncompressed}, sentence=sentence)]


def _gain(candidate: Candidate, gate: GateParams) -> Check:
    gain = round(candidate.score - candidate.baseline_score, 12)  # 0.6 - 0.5 is a gain of 0.1
    passed = gain >= gate.min_gain_over_baseline
    target = candidate.target
    figures = {"score": candidate.score, "baseline": candidate.baseline_score, "gain": gain}
    asked = f"a gain of {_lost(target, gate.min_gain_over_baseline)} is asked"
    return Check(
        name="gain_over_baseline",
        passed=passed,
        figures=figures | {"min_gain": gate.min_gain_over_baseline},
        sentence=(
            f"Its {target.score} on the test split is {shown_score(target, candidate.score)}, that of the baseline "
            f"{candidate.baseline} {shown_score(target, candidate.baseline_score)}{_allowed(passed, asked)}."
        ),
    )


def _allowed(passed: bool, rule: str) -> str:
    """The rule, where it was broken."""
    return "" if passed else f"; {rule}"


def _lost(target: Target, difference: float) -> str:
    return shown_difference(target, difference).removeprefix("+")


def _points(share: float) -> str:
    return f"{share * 100:.1f} points"
