"""How far apart two sets of tensors, two sets of answers and two JSON documents are."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]
NAMED = 5
"""Places that a sentence names, at most."""


def other_shapes(then: Tensors, now: Tensors) -> list[str]:
    """The tensors that only one of two sets has, or that have another shape or dtype."""
    shapes, others = ({name: (array.shape, array.dtype) for name, array in one.items()} for one in (then, now))
    return sorted(name for name in shapes.keys() | others.keys() if shapes.get(name) != others.get(name))[:NAMED]


def tensors_apart(then: Tensors, now: Tensors) -> tuple[float, float]:
    """The length of each difference over the longer tensor's, as the root of their mean square over all values.

    Each tensor counts by its own length: variances of a normalisation are a thousand times larger than weights.

    Args:
        then: at least one tensor.
        now: tensors of the same names and shapes.

    Returns:
        That, and the largest difference of a single value.
    """
    apart = np.array([_apart(array.astype(np.float64), now[name].astype(np.float64)) for name, array in then.items()])
    sizes = [array.size for array in then.values()]
    largest = max(float(np.abs(array.astype(np.float64) - now[name]).max(initial=0.0)) for name, array in then.items())
    return float(np.sqrt(np.average(apart**2, weights=sizes))), largest


def _apart(then: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    length = max(float(np.linalg.norm(then)), float(np.linalg.norm(now)))
    return float(np.linalg.norm(now - then)) / length if length != 0 else 0.0


def answers_apart(then: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Mean total variation of probabilities, or mean difference of values.

    Args:
        then: (samples, width of the target).
        now: the same.
    """
    apart = np.abs(then.astype(np.float64) - now).sum(axis=1)
    return float(apart.mean() / 2 if then.shape[1] > 1 else apart.mean())


def relative(then: NDArray[Any], now: NDArray[Any]) -> float:
    """The largest difference of two arrays of one shape, each over the larger of its two values."""
    before, after = then.astype(np.float64), now.astype(np.float64)
    apart, size = np.abs(before - after), np.maximum(np.abs(before), np.abs(after))
    return float(np.divide(apart, size, out=apart, where=size > 0).max(initial=0.0))


def documents_apart(then: Any, now: Any) -> tuple[list[str], float]:
    """Two JSON documents.

    Returns:
        The places where they differ in anything but the value of a float, and how far their floats are apart.
    """
    (floats, exact), (other_floats, other_exact) = (_leaves_of(document) for document in (then, now))
    unlike = {place for place, _ in exact.items() ^ other_exact.items()} | (floats.keys() ^ other_floats.keys())
    both = [place for place in floats if place in other_floats]
    apart = relative(*(np.array([one[place] for place in both]) for one in (floats, other_floats)))
    return sorted(unlike)[:NAMED], apart


def _leaves_of(document: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """The floats of a JSON document by their places, and its other values by theirs."""
    leaves = dict(_leaves(document))
    floats = {place: value for place, value in leaves.items() if isinstance(value, float)}
    return floats, {place: value for place, value in leaves.items() if place not in floats}


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, f"{place}.{key}".lstrip("."))
    else:
        yield place, value
