"""Which variant leaves the line."""

from components.contracts import Variant
from components.params.sections import CompressParams


def refusal(variant: Variant, fp32: Variant, budget: CompressParams) -> str | None:
    """Why a compressed variant may not be chosen, in words; None if it may."""
    drop = fp32.validation_accuracy - variant.validation_accuracy
    if drop > budget.max_accuracy_drop:
        allowed = f"compress.max_accuracy_drop allows {budget.max_accuracy_drop:.2%}"
        return f"it loses {drop:.2%} of validation accuracy; {allowed}"
    ratio = variant.latency_1.p50 / fp32.latency_1.p50
    if ratio > budget.max_latency_ratio:
        allowed = f"compress.max_latency_ratio allows {budget.max_latency_ratio:g} ×"
        return f"it takes {ratio:.2f} × the time of fp32; {allowed}"
    return None


def choose(variants: list[Variant]) -> tuple[Variant, str]:
    """The smallest variant that was not refused, and why.

    Args:
        variants: the fp32 graph first, which is never refused.
    """
    fp32, *compressed = variants
    allowed = [variant for variant in compressed if variant.refused is None]
    if not allowed:
        reasons = "; ".join(f"{variant.name}: {variant.refused}" for variant in compressed)
        return fp32, f"fp32, because no compressed variant keeps the budget ({reasons})"
    best = min(allowed, key=lambda variant: variant.bytes)
    faster = fp32.latency_1.p50 / best.latency_1.p50
    lost = fp32.validation_accuracy - best.validation_accuracy
    return best, (
        f"{best.name}: {fp32.bytes / best.bytes:.1f} × smaller and {faster:.2f} × as fast as fp32, "
        f"for {lost * 100:+.2f} points of validation accuracy lost"
    )
