"""The section ``sweep``: what a search for better hyperparameters may vary, how, and at what cost."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from components.params.sections.section import Section, Share, distinct

Cost = Literal["latency_ms", "kilobytes"]
"""Of the exported fp32 graph: median time of one inference of one sample on this machine, one thread; size."""
Objective = Literal["validation_score", "latency_ms", "kilobytes"]
CHANGEABLE = (
    "augment.",
    "train.loss.label_smoothing",
    "train.network.dropout",
    "train.optimizer.",
    "train.regularisation.",
)
"""Places, or beginnings of places, whose values may change in the middle of a training."""
MOST_POINTS = 1024
"""Of a grid; more is a mistake, or work for another strategy."""


class Choice(Section):
    """One of several values; a value may be a whole section."""

    kind: Literal["choice"]
    values: Annotated[tuple[JsonValue, ...], Field(strict=False, min_length=1, max_length=256)] = Field(
        description="The values; any that params.yaml takes at this place."
    )


class Range(Section):
    """From a lowest to a highest value, both among them."""

    low: float = Field(description="Lowest value.")
    high: float = Field(description="Highest value; above the lowest.")

    @model_validator(mode="after")
    def _is_no_empty_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high; low is {self.low:g} and high {self.high:g}")
        return self


class Grid(Range):
    """Evenly spaced points."""

    kind: Literal["grid"]
    points: int = Field(ge=2, le=MOST_POINTS, description="Number of points, low and high among them.")
    log: bool = Field(description="Whether the logarithms are evenly spaced, and not the values.")

    @model_validator(mode="after")
    def _logarithm_exists(self) -> Self:
        require_positive(self.low, spread_by_logarithm=self.log)
        return self


class Uniform(Range):
    """Every value of a range is as likely as any other."""

    kind: Literal["uniform"]


class LogUniform(Range):
    """Every order of magnitude of a range is as likely as any other."""

    kind: Literal["loguniform"]

    @model_validator(mode="after")
    def _logarithm_exists(self) -> Self:
        require_positive(self.low, spread_by_logarithm=True)
        return self


class Quantised(Range):
    """Multiples of a step from the lowest value on."""

    kind: Literal["quantised"]
    step: float = Field(gt=0, description="Distance of two values.")


class Integer(Section):
    """Whole numbers."""

    kind: Literal["integer"]
    low: int = Field(description="Lowest value.")
    high: int = Field(description="Highest value; above the lowest.")
    log: bool = Field(description="Whether the logarithm is spread evenly, and not the value itself.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high; low is {self.low} and high {self.high}")
        require_positive(self.low, spread_by_logarithm=self.log)
        return self


def require_positive(low: float, *, spread_by_logarithm: bool) -> None:
    """A range that is spread by its logarithm does not reach zero.

    Raises:
        ValueError: it does.
    """
    if spread_by_logarithm and low <= 0:
        raise ValueError(f"a logarithmic range must not reach zero; low is {low:g}. Raise low, or spread it evenly")


Dimension = Annotated[
    Choice | Grid | Uniform | LogUniform | Quantised | Integer,
    Field(discriminator="kind", description="The values that are tried."),
]


class Conditional(Section):
    """A dimension that exists only where another place of params.yaml has one of some values."""

    kind: Literal["conditional"]
    where: str = Field(min_length=1, description="Place of params.yaml that decides, such as train.optimizer.name.")
    equals: Annotated[tuple[JsonValue, ...], Field(strict=False, min_length=1, max_length=256)] = Field(
        description="Values of that place for which the dimension exists."
    )
    then: Dimension


AnyDimension = Annotated[
    Choice | Grid | Uniform | LogUniform | Quantised | Integer | Conditional,
    Field(discriminator="kind", description="The values that are tried at one place of params.yaml."),
]


class GridSearch(Section):
    """Every combination of the values, each once."""

    name: Literal["grid"]


class RandomSearch(Section):
    """Independent draws from the space (Bergstra & Bengio 2012, jmlr.org/papers/v13/bergstra12a.html)."""

    name: Literal["random"]


class BayesSearch(Section):
    """Bayesian optimisation: each trial is where a model of those before it promises most."""

    name: Literal["bayes"]
    model: Literal["tpe", "gaussian_process"] = Field(
        description="tpe: tree-structured Parzen estimator (Bergstra 2011); gaussian_process: regression by one."
    )
    random_trials: int = Field(ge=1, le=10_000, description="Trials drawn at random before the model is asked.")


class CoarseToFineSearch(Section):
    """A wide search, and then a narrow one around the best of it.

    As practised in Bengio 2012, arXiv:1206.5533, section 3.3, and in the notes of the course CS231n, where the wide
    search trains for few epochs.
    """

    name: Literal["coarse_to_fine"]
    coarse_share: float = Field(gt=0, lt=1, description="Share of the trials that search the whole space at random.")
    coarse_epochs: int | None = Field(
        ge=1, le=10_000, description="Epochs of a trial of the wide search; null: as many as of any other."
    )
    best: int = Field(ge=1, le=100, description="How many of the best trials have their neighbourhood searched.")
    neighbourhood: float = Field(gt=0, lt=1, description="Width of the neighbourhood, as a share of that of the range.")
    fine: Literal["grid", "random"] = Field(description="How the neighbourhood is searched.")


StrategyParams = Annotated[
    GridSearch | RandomSearch | BayesSearch | CoarseToFineSearch,
    Field(discriminator="name", description="How the next trial is chosen."),
]


class NoScheduler(Section):
    """Every trial is trained to its end."""

    name: Literal["none"]


class AshaParams(Section):
    """Asynchronous successive halving: of each rung, only the best go on (Li et al. 2020, arXiv:1810.05934)."""

    name: Literal["asha"]
    grace_epochs: int = Field(ge=1, le=10_000, description="Epochs that every trial is given.")
    reduction: int = Field(ge=2, le=16, description="One of so many goes on from each rung.")


class HyperbandParams(Section):
    """Brackets of successive halving with different graces (Li et al. 2018, arXiv:1603.06560)."""

    name: Literal["hyperband"]
    grace_epochs: int = Field(ge=1, le=10_000, description="Epochs that every trial of the keenest bracket is given.")
    reduction: int = Field(ge=2, le=16, description="One of so many goes on from each rung.")


class MedianParams(Section):
    """A trial ends that is below the median of the others at the same epoch (Golovin et al. 2017, Vizier)."""

    name: Literal["median"]
    grace_epochs: int = Field(ge=1, le=10_000, description="Epochs that every trial is given.")
    full_trials: int = Field(
        ge=1, le=10_000, description="Trials that must have ended before any is held against them."
    )


class PbtParams(Section):
    """Population-based training: bad trials go on from the weights of good ones (Jaderberg 2017, arXiv:1711.09846)."""

    name: Literal["pbt"]
    every_epochs: int = Field(ge=1, le=10_000, description="Epochs between two exchanges.")
    quantile: float = Field(
        gt=0, le=0.5, description="Share of the trials that is replaced by the same share of the best."
    )
    resample: Share = Field(description="Probability that a value is drawn anew, and not multiplied by 0.8 or 1.2.")


SchedulerParams = Annotated[
    NoScheduler | AshaParams | HyperbandParams | MedianParams | PbtParams,
    Field(discriminator="name", description="Which trials end early."),
]


class BudgetParams(Section):
    """What a sweep may cost."""

    trials: int = Field(ge=1, le=100_000, description="Trials, that with params.yaml as it is among them.")
    seconds: float | None = Field(gt=0, description="Wall-clock time; null: without limit.")
    epochs: int = Field(ge=1, le=10_000, description="Epochs of a trial; its schedule is that of so many.")
    megabytes: float = Field(gt=0, description="Disk space for the checkpoints of all trials.")


class ConstraintParams(Section):
    """A bound that every trial keeps; one that does not is not trained."""

    cost: Cost = Field(description="What is bounded.")
    at_most: float = Field(gt=0, description="The bound, in milliseconds or kilobytes.")


class SweepParams(Section):
    """A search for better hyperparameters."""

    space: dict[str, AnyDimension] = Field(min_length=1, description="Places of params.yaml, and what is tried there.")
    strategy: StrategyParams
    scheduler: SchedulerParams
    budget: BudgetParams
    objectives: Annotated[tuple[Objective, ...], Field(strict=False, min_length=1, max_length=3)] = Field(
        description="What is made better; of several, the front is shown and the first decides."
    )
    constraints: Annotated[tuple[ConstraintParams, ...], Field(strict=False, max_length=2)] = Field(
        description="What every trial must keep."
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        distinct(self.objectives)
        if len(self.objectives) > 1 and self.scheduler.name != "none":
            raise ValueError(
                f"scheduler {self.scheduler.name} ends trials by one score, and there are {len(self.objectives)} "
                "objectives. Set scheduler: {name: none}, or make the others constraints"
            )
        if isinstance(self.strategy, CoarseToFineSearch) and self.strategy.coarse_epochs:
            self._require_short_coarse_trials(self.strategy.coarse_epochs)
        conditional = [place for place, dimension in self.space.items() if isinstance(dimension, Conditional)]
        if getattr(self.strategy, "model", None) == "gaussian_process" and conditional:
            raise ValueError(
                f"a Gaussian process knows no conditional dimension, and {', '.join(conditional)} is one. "
                "Set strategy.model: tpe, or make the space unconditional"
            )
        if isinstance(self.strategy, GridSearch):
            self._require_small_grid()
        if isinstance(self.scheduler, PbtParams):
            self._require_changeable()
        return self

    def _require_short_coarse_trials(self, epochs: int) -> None:
        if epochs > self.budget.epochs:
            raise ValueError(
                f"strategy.coarse_epochs is {epochs}, and a trial has {self.budget.epochs} epochs in all "
                "(budget.epochs). Set strategy.coarse_epochs to fewer, or to null"
            )
        if len(self.objectives) > 1:
            raise ValueError(
                "trials of strategy.coarse_epochs are no match for whole ones on a front of several objectives. "
                "Set strategy.coarse_epochs: null"
            )

    def _require_changeable(self) -> None:
        fixed = [
            place
            for place, dimension in self.space.items()
            if not place.startswith(CHANGEABLE) or place.endswith(".name") or isinstance(dimension, Conditional)
        ]
        if fixed:
            raise ValueError(
                f"population-based training changes values in mid-training, and {', '.join(fixed)} cannot be. "
                f"It may vary, without conditions: {', '.join(CHANGEABLE)}"
            )
        if self.strategy.name == "grid":
            raise ValueError("population-based training draws its first values: set strategy: {name: random}")

    def _require_small_grid(self) -> None:
        sizes = {place: points(dimension) for place, dimension in self.space.items()}
        endless = [place for place, size in sizes.items() if size is None]
        if endless:
            raise ValueError(f"a grid needs countable values: make {', '.join(endless)} a choice, grid or quantised")
        size = math.prod(size for size in sizes.values() if size)
        if size > MOST_POINTS:
            raise ValueError(
                f"the grid has {size:,} points; {MOST_POINTS:,} are the most. Take fewer values, or another strategy"
            )


def points(dimension: Any) -> int | None:
    """How many values a dimension has; None: it is continuous."""
    match dimension:
        case Choice(values=values):
            return len(values)
        case Grid(points=count):
            return count
        case Quantised(low=low, high=high, step=step):
            return math.floor((high - low) / step * (1 + 1e-12)) + 1
        case Integer(low=low, high=high):
            return high - low + 1
        case Conditional(then=then):
            return points(then)
        case _:
            return None
