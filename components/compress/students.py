"""The network of a student: stated, or as narrow as so many times fewer weights ask for."""

import contextlib
import math
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from components.contracts import Preprocessing
from components.errors import CompressionError
from components.nets import build_network, count_parameters
from components.params import Params
from components.params.sections import NetworkParams

WIDTHS = ("widths", "filters", "dense", "width", "hidden", "embedding")
"""What makes a network as wide as it is."""
STEPS = 128
"""Sizes that are looked at, evenly spaced."""
MULTIPLE = 4
"""Widths are multiples of so many, which processors work on together."""


def shrunk(params: Params, fitted: Preprocessing, factor: float) -> NetworkParams:
    """The widest ``train.network`` with at most its weights over a factor, all widths scaled alike.

    Raises:
        CompressionError: not even the narrowest has so few weights.
    """
    limit = _weights(params, params.train.network, fitted) / factor
    narrower = list(_narrower(params.train.network))
    fitting = bisect_right(narrower, limit, key=lambda network: _weights(params, network, fitted))
    if not fitting:
        raise CompressionError(
            f"no narrower {params.train.network.name} has {factor:g} × fewer weights than train.network. Lower "
            "student.factor, or state a network"
        )
    return narrower[fitting - 1]


def _narrower(network: NetworkParams) -> Iterator[NetworkParams]:
    """The network at ever larger shares of its widths, where it can be as narrow as that."""
    for step in range(1, STEPS):
        with contextlib.suppress(ValidationError):
            yield scaled(network, step / STEPS)


def scaled(network: NetworkParams, share: float) -> NetworkParams:
    """A network with all widths times a share, rounded to multiples of 4, and of the heads where it has any."""
    multiple = math.lcm(MULTIPLE, getattr(network, "heads", 1))
    given: dict[str, Any] = network.model_dump()
    changed = {name: _scaled(given[name], share, multiple) for name in WIDTHS if name in given}
    return type(network).model_validate(given | changed)


def _scaled(width: Any, share: float, multiple: int) -> Any:
    if isinstance(width, tuple | list):
        return tuple(_scaled(each, share, multiple) for each in width)
    if isinstance(width, float):
        return width * share
    return max(1, round(width * share / multiple)) * multiple


def _weights(params: Params, network: NetworkParams, fitted: Preprocessing) -> int:
    train = params.train.model_copy(update={"network": network})
    return count_parameters(build_network(train, fitted.inputs, fitted.target.width))
