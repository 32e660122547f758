"""The result of a benchmark: one ratio beside its target."""

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

_HOLDS = {"≤": operator.le, "≥": operator.ge}


@dataclass(frozen=True)
class Ratio:
    """One measured ratio.

    Attributes:
        name: what is compared with what, as a person says it.
        value: the measured ratio: the median, where it was measured several times.
        target: the bound that it must keep, such as ``≥ 0.90`` or ``≤ 1.5``.
        spread: smallest and largest of the single measurements; both equal ``value`` where there was one.
        note: how it was measured, and anything that the reader must know to judge it.
    """

    name: str
    value: float
    target: str
    spread: tuple[float, float]
    note: str

    def __post_init__(self) -> None:
        """Refuses a target that :attr:`kept` could not judge.

        Raises:
            ValueError: the target is not ``≤`` or ``≥`` and a number.
        """
        _bound(self.target)

    @classmethod
    def of(cls, name: str, values: Sequence[float], target: str, note: str = "") -> Self:
        """The median of several measurements, with their spread."""
        return cls(name, median(values), target, (min(values), max(values)), note)

    @property
    def kept(self) -> bool:
        """Whether the value keeps the target."""
        sign, bound = _bound(self.target)
        return bool(_HOLDS[sign](self.value, bound))


def _bound(target: str) -> tuple[str, float]:
    match = re.fullmatch(r"([≤≥]) (\d+(?:\.\d+)?)", target)
    if not match:
        raise ValueError(f"the target {target!r} is not '≤' or '≥', a space and a number")
    return match[1], float(match[2])
