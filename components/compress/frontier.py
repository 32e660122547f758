"""Which variants are worth having, which may leave the line, and which one does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from components.contracts import ClassTarget, Target, Variant
from components.params.sections import CompressBudgetParams, CompressParams
from components.tasks.score import shown_difference, shown_score

CONFIDENCE = 0.95
SAME_TIME = 0.03
"""A time is no longer if it is by no more than this share: from one run to the next the ratio of two variants that do
the same work moves by 1 %, which an interval within one run does not know."""


@dataclass(frozen=True)
class Slowdown:
    """Time of one variant over that of another: the median of the ratios, and its interval at 95 %."""

    median: float
    low: float
    high: float


def slowdown(times: NDArray[np.float64], parent: NDArray[np.float64]) -> Slowdown:
    """Median of the ratios of times that were measured in turn, and its interval at 95 %.

    The interval is that of the order statistics between which the median lies, whatever the distribution (Conover 1999,
    Practical Nonparametric Statistics, section 3.2).

    Args:
        times: (repeats,) of a variant.
        parent: (repeats,) of what it was made from, each beside the other's.
    """
    ratios = np.sort(times / parent)
    rank = max(1, int(binom.ppf((1 - CONFIDENCE) / 2, len(ratios), 0.5)))
    return Slowdown(float(np.median(ratios)), float(ratios[rank - 1]), float(ratios[-rank]))


def class_drop(variant: Variant, fp32: Variant, target: Target) -> tuple[float, str] | None:
    """The largest loss of recall of a class, and its name; None: there are no classes."""
    if not isinstance(target, ClassTarget) or variant.class_scores is None or fp32.class_scores is None:
        return None
    drops = np.subtract(fp32.class_scores, variant.class_scores)
    worst = int(drops.argmax())
    return round(float(drops[worst]), 12), target.labels[worst]


def refusal(
    variant: Variant, fp32: Variant, slowdowns: Mapping[str, Slowdown], budget: CompressBudgetParams, target: Target
) -> str | None:
    """Why a compressed variant may not be chosen, in words; None if it may.

    Args:
        variant: the one that is judged.
        fp32: the trained network.
        slowdowns: :func:`slowdown` of it, against fp32 and against what it was made from.
        budget: the section ``compress.budget``.
        target: what is predicted.
    """
    if not variant.company_difference <= target.tolerance:
        differs = f"by up to {variant.company_difference:.2g}, and a server allows {target.tolerance:.2g}"
        return f"its answers depend on the other samples of a batch, {differs}"
    drop = round(fp32.validation_score - variant.validation_score, 12)  # 0.9 - 0.895 is a drop of 0.005
    if not drop <= budget.max_score_drop:  # so that NaN is refused, too
        allowed = f"budget.max_score_drop allows {shown_score(target, budget.max_score_drop)}"
        return f"it loses {shown_score(target, drop)} of validation {target.score}; {allowed}"
    worst = class_drop(variant, fp32, target)
    if worst and budget.max_class_drop is not None and worst[0] > budget.max_class_drop:
        allowed = f"budget.max_class_drop allows {budget.max_class_drop:.2%}"
        return f"it loses {worst[0]:.2%} of the recall of {worst[1]}; {allowed}"
    return _size_refusal(variant, fp32, budget) or _latency_refusal(variant, slowdowns, budget)


def _size_refusal(variant: Variant, fp32: Variant, budget: CompressBudgetParams) -> str | None:
    size = variant.graph.bytes
    if budget.max_bytes is not None and size > budget.max_bytes:
        return f"it has {size:,} bytes; budget.max_bytes allows {budget.max_bytes:,}"
    if size >= fp32.graph.bytes:
        return f"it has {size:,} bytes, and fp32 no more than {fp32.graph.bytes:,}"
    return None


def _latency_refusal(variant: Variant, slowdowns: Mapping[str, Slowdown], budget: CompressBudgetParams) -> str | None:
    if variant.of and slowdowns[variant.of].low > 1 + SAME_TIME:
        made_from = slowdowns[variant.of]
        return f"it takes {made_from.median:.2f} × the time of {variant.of}, which it was made from"
    if slowdowns["fp32"].low > budget.max_latency_ratio * (1 + SAME_TIME):
        allowed = f"budget.max_latency_ratio allows {budget.max_latency_ratio:g} ×"
        return f"it takes {slowdowns['fp32'].median:.2f} × the time of fp32; {allowed}"
    taken = variant.latency.batch_1.p50
    if budget.max_latency_ms is not None and taken > budget.max_latency_ms:
        return f"it takes {taken:.3f} ms; budget.max_latency_ms allows {budget.max_latency_ms:g} ms"
    return None


def dominating(variant: Variant, others: Sequence[Variant]) -> str | None:
    """A variant that is no worse in score, bytes and latency and better in one; None: this one is on the frontier."""
    own = _measures(variant)
    for other in others:
        pairs = list(zip(_measures(other), own, strict=True))
        if all(theirs <= mine for theirs, mine in pairs) and any(theirs < mine for theirs, mine in pairs):
            return other.name
    return None


def _measures(variant: Variant) -> tuple[float, float, float]:
    return -variant.validation_score, variant.graph.bytes, variant.latency.batch_1.p50


BEST: dict[str, Callable[[Variant], tuple[float, ...]]] = {
    "bytes": lambda variant: (variant.graph.bytes, variant.latency.batch_1.p50),
    "latency": lambda variant: (variant.latency.batch_1.p50, variant.graph.bytes),
    "score": lambda variant: (-variant.validation_score, variant.graph.bytes),
}
"""What is least for the best variant, by ``compress.objective``."""


def choose(
    variants: Sequence[Variant], unmade: Mapping[str, str], params: CompressParams, target: Target
) -> tuple[Variant, str]:
    """The best variant by the objective of those that were not refused, and why.

    Args:
        variants: the trained network first, which is never refused.
        unmade: variants that could not be made, and why.
        params: the section ``compress``.
        target: what is predicted.
    """
    fp32, *compressed = variants
    allowed = [variant for variant in compressed if variant.refused is None]
    if not variants[1:] and not unmade:
        return fp32, "fp32, because compress.variants names no other"
    if not allowed:
        refused = {variant.name: variant.refused for variant in compressed} | dict(unmade)
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        return fp32, f"fp32, because no compressed variant keeps the budget ({reasons})"
    best = min(allowed, key=BEST[params.objective])
    faster = fp32.latency.batch_1.p50 / best.latency.batch_1.p50
    gained = best.validation_score - fp32.validation_score
    return best, (
        f"{best.name}, the best by {params.objective}: {fp32.graph.bytes / best.graph.bytes:.1f} × smaller and "
        f"{faster:.2f} × as fast as fp32, at {shown_difference(target, gained)} of validation {target.score}"
    )
