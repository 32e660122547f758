"""What can stand against a challenger, and how two models are held against each other on the same samples."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, wilcoxon

from components.contracts import ClassTarget, Incomparable, ValueTarget


@dataclass(frozen=True, eq=False)
class Duel:
    """Challenger and champion on the same samples, which neither was trained on.

    Attributes:
        champion: the champion's version.
        challenger_ms: median time for one sample, one thread.
        champion_ms: the champion's, measured in turn with it.
        remark: a sentence about the choice of the samples, or nothing.
    """

    champion: int
    challenger_ms: float
    champion_ms: float
    remark: str


@dataclass(frozen=True, eq=False)
class ClassDuel(Duel):
    """Two classifiers.

    Attributes:
        target: the classes that the samples are of.
        truth: (samples,) int64, index into its labels; at least one sample.
        challenger_answers: (samples,) int64, likewise; -1 for any other class.
        champion_answers: (samples,) int64, likewise.
    """

    target: ClassTarget
    truth: NDArray[np.int64]
    challenger_answers: NDArray[np.int64]
    champion_answers: NDArray[np.int64]

    @property
    def only_challenger_right(self) -> int:
        """Samples on which the challenger alone is right."""
        return int(((self.challenger_answers == self.truth) & (self.champion_answers != self.truth)).sum())

    @property
    def only_champion_right(self) -> int:
        """Samples on which the champion alone is right."""
        return int(((self.champion_answers == self.truth) & (self.challenger_answers != self.truth)).sum())

    @property
    def score_error(self) -> float:
        """Standard error of the accuracy lost, half a sample added to each cell (Agresti and Min 2005).

        doi:10.1002/sim.1781. Two models that never differ are not thereby known to be equally good.
        """
        samples = len(self.truth) + 2
        lost, gained = ((count + 0.5) / samples for count in (self.only_champion_right, self.only_challenger_right))
        return math.sqrt((lost + gained - (lost - gained) ** 2) / samples)

    def recall_drops(self) -> dict[str, float]:
        """Recall that each class has lost, negative where it gained; classes without samples are left out."""
        drops = {}
        for index, label in enumerate(self.target.labels):
            members = self.truth == index
            if members.any():
                lost = (self.champion_answers[members] == index).sum() - (
                    self.challenger_answers[members] == index
                ).sum()
                drops[label] = int(lost) / int(members.sum())
        return drops


@dataclass(frozen=True, eq=False)
class ValueDuel(Duel):
    """Two regressions.

    Attributes:
        target: the value.
        truth: (samples,) float32, in its unit; at least one sample.
        challenger_answers: (samples,) float32, likewise.
        champion_answers: (samples,) float32, likewise.
    """

    target: ValueTarget
    truth: NDArray[np.float32]
    challenger_answers: NDArray[np.float32]
    champion_answers: NDArray[np.float32]

    @property
    def excess(self) -> NDArray[np.float64]:
        """(samples,) the challenger's absolute error less the champion's."""
        truth = self.truth.astype(np.float64)
        return np.abs(self.challenger_answers - truth) - np.abs(self.champion_answers - truth)

    @property
    def score_error(self) -> float:
        """Standard error of the R² lost, the truth's own variance held for known; infinite where it has none."""
        truth = self.truth.astype(np.float64)
        squares = (self.challenger_answers - truth) ** 2 - (self.champion_answers - truth) ** 2
        if not truth.var():
            return math.inf
        return float(squares.std(ddof=1) / math.sqrt(len(truth)) / truth.var())


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


POWER = 0.8
Rival = ClassDuel | ValueDuel | Incomparable | SameGraph | Withdrawn | None
"""What stands against the challenger; None: nothing."""


def sure_drop(error: float, significance: float) -> float:
    """The smallest loss of score that a test split of this size shows in four cases of five.

    Args:
        error: standard error of the loss.
        significance: of a one-sided test.

    Returns:
        Where the power of the normal approximation is 0.8 (Cohen 1988, chapter 1).
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - significance) + normal.inv_cdf(POWER)) * error


def mcnemar_worse(only_challenger_right: int, only_champion_right: int) -> float:
    """Exact one-sided McNemar test (1947, doi:10.1007/BF02295996) against "the challenger is no worse".

    Returns:
        The probability that the challenger alone is right so rarely, if both were right equally often; 1 where the two
        never differ.
    """
    differing = only_challenger_right + only_champion_right
    return float(binomtest(only_challenger_right, differing, 0.5, alternative="less").pvalue) if differing else 1.0


def wilcoxon_worse(excess: NDArray[np.float64]) -> float:
    """One-sided Wilcoxon signed-rank test (1945, doi:10.2307/3001968) against "the challenger is no further off".

    Args:
        excess: (samples,) the challenger's absolute error less the champion's.

    Returns:
        The probability of errors so much larger, if neither were further off; 1 where the two never differ.
    """
    return float(wilcoxon(excess, alternative="greater").pvalue) if excess.any() else 1.0
