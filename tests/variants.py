"""Variants as stage ``compress`` would have measured them."""

from collections.abc import Sequence

from components.contracts import Compressed, Graph, Latencies, Latency, Variant


def make_variant(
    name: str,
    accuracy: float = 0.9,
    size: int = 1000,
    milliseconds: float = 1.0,
    classes: tuple[float, ...] = (0.9, 0.9),
    refused: str | None = None,
) -> Variant:
    """fp32 is the trained network, every other name a graph that was made from it."""
    latency = Latency(p50=milliseconds, p99=milliseconds)
    return Variant(
        name=name,
        of=None if name == "fp32" else "fp32",
        technique="training" if name == "fp32" else "static_int8",
        file=f"{name}.onnx",
        graph=Graph(bytes=size, deflated_bytes=size, parameters=100, nonzero_parameters=100, multiply_adds=100),
        validation_score=accuracy,
        class_scores=classes,
        latency=Latencies(batch_1=latency, batch_32=latency),
        peak_memory_bytes=1,
        company_difference=0.0,
        parity_difference=1e-7 if name == "fp32" else None,
        in_float=(),
        refused=refused,
        dominated_by=None,
    )


def make_compressed(variants: Sequence[Variant], chosen: str, reason: str) -> Compressed:
    """What is written of them."""
    return Compressed(
        variants=tuple(variants),
        unmade={},
        chosen=chosen,
        reason=reason,
        within_budget=chosen != "fp32",
        torch_eager=variants[0].latency,
        sensitivity={},
        formats=(),
    )
