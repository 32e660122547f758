"""Which variant leaves the line."""

from components.contracts import Target, Variant
from components.params.sections import CompressParams
from components.tasks.score import shown_difference, shown_score


def refusal(variant: Variant, fp32: Variant, budget: CompressParams, target: Target) -> str | None:
    """Why a compressed variant may not be chosen, in words; None if it may."""
    drop = fp32.validation_score - variant.validation_score
    if not drop <= budget.max_score_drop:  # so that NaN is refused, too
        allowed = f"compress.max_score_drop allows {shown_score(target, budget.max_score_drop)}"
        return f"it loses {shown_score(target, drop)} of validation {target.score}; {allowed}"
    if variant.bytes >= fp32.bytes:
        return f"it has {variant.bytes:,} bytes, and fp32 no more than {fp32.bytes:,}"
    ratio = variant.latency_1.p50 / fp32.latency_1.p50
    if ratio > budget.max_latency_ratio:
        allowed = f"compress.max_latency_ratio allows {budget.max_latency_ratio:g} ×"
        return f"it takes {ratio:.2f} × the time of fp32; {allowed}"
    return None


def choose(variants: list[Variant], unmade: dict[str, str], target: Target) -> tuple[Variant, str]:
    """The smallest variant that was not refused, and why.

    Args:
        variants: the fp32 graph first, which is never refused.
        unmade: variants that could not be made, and why.
        target: what the variants answer.
    """
    fp32, *compressed = variants
    allowed = [variant for variant in compressed if variant.refused is None]
    if not allowed:
        refused = {variant.name: variant.refused for variant in compressed} | unmade
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        return fp32, f"fp32, because no compressed variant keeps the budget ({reasons})"
    best = min(allowed, key=lambda variant: variant.bytes)
    faster = fp32.latency_1.p50 / best.latency_1.p50
    lost = fp32.validation_score - best.validation_score
    return best, (
        f"{best.name}: {fp32.bytes / best.bytes:.1f} × smaller and {faster:.2f} × as fast as fp32, "
        f"for {shown_difference(target, lost)} of validation {target.score} lost"
    )
