"""From the section ``sweep.strategy`` to a sampler of Optuna."""

import math
import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from components.params.sections import BayesSearch, CoarseToFineSearch, GridSearch, RandomSearch, StrategyParams

FINE_POINTS = 3
"""Of a fine grid, for each dimension: below, at and above a good trial."""


def build_sampler(strategy: StrategyParams, trials: int, seed: int) -> BaseSampler:
    """The sampler of one trial.

    It is built anew for each, from the seed and the number of the trial: so a sweep that was killed draws what it would
    have drawn.

    Args:
        strategy: the section.
        trials: of the whole sweep.
        seed: of this trial.
    """
    match strategy:
        case GridSearch() | RandomSearch():
            return RandomSampler(seed=seed)
        case BayesSearch(model="tpe", random_trials=first):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return TPESampler(seed=seed, n_startup_trials=first, multivariate=True, group=True, constant_liar=True)
        case BayesSearch(random_trials=first):
            return GPSampler(seed=seed, n_startup_trials=first, deterministic_objective=False)
        case CoarseToFineSearch():
            return CoarseToFineSampler(strategy, trials, seed)


class CoarseToFineSampler(BaseSampler):
    """Draws from the whole space first, and then around the best trials, each in turn.

    Of a dimension that is listed, a fine trial takes the value of the trial that it is near to.

    Attributes:
        strategy: the section.
        coarse: number of trials that search the whole space.
    """

    def __init__(self, strategy: CoarseToFineSearch, trials: int, seed: int) -> None:
        self.strategy, self.coarse = strategy, coarse_trials(strategy, trials)
        self.random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing: each dimension is drawn for itself."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing, as said."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """One value: from the whole range, or near that of one of the best trials."""
        near = self._near(study, trial)
        if near is None or param_name not in near.params:
            return self.random.sample_independent(study, trial, param_name, param_distribution)
        value = near.params[param_name]
        if not isinstance(param_distribution, FloatDistribution | IntDistribution):
            return value
        narrow = neighbourhood(param_distribution, value, self.strategy.neighbourhood)
        if self.strategy.fine == "random":
            return self.random.sample_independent(study, trial, param_name, narrow)
        return self._point(narrow, value, trial)

    def _near(self, study: Study, trial: FrozenTrial) -> FrozenTrial | None:
        """The good trial whose neighbourhood a trial searches; None: it searches the whole space."""
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.number < self.coarse or not ended:
            return None
        sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
        best = sorted(ended, key=lambda each: sign * self._score(each))[: self.strategy.best]
        return best[(trial.number - self.coarse) % len(best)]

    def _score(self, trial: FrozenTrial) -> float:
        """Of a trial of the wide search, after as many epochs as each of them has; of a fine one, after all.

        Few epochs favour high learning rates, so fine trials are not compared by them.
        """
        few = self.strategy.coarse_epochs if trial.number < self.coarse else None
        early = [value for epoch, value in trial.intermediate_values.items() if few and epoch <= few]
        return max(early, default=trial.values[0])

    def _point(self, narrow: FloatDistribution | IntDistribution, value: float, trial: FrozenTrial) -> Any:
        """A point of the fine grid: its trials count through the points, the first dimension fastest.

        Count 0, the middle of all, is the good trial itself, and is left out.
        """
        ranges = sum(not isinstance(each, CategoricalDistribution) for each in trial.distributions.values())
        count = (trial.number - self.coarse) // self.strategy.best + 1
        place = count // FINE_POINTS**ranges % FINE_POINTS
        point: float = (value, narrow.low, narrow.high)[place]
        return point


def coarse_trials(strategy: CoarseToFineSearch, trials: int) -> int:
    """How many of the trials search the whole space."""
    return max(1, math.ceil(strategy.coarse_share * trials))


def neighbourhood(
    whole: FloatDistribution | IntDistribution, value: float, share: float
) -> FloatDistribution | IntDistribution:
    """The part of a range around a value, of a share of its width; by logarithms where the range is spread so."""
    low, high = (math.log(whole.low), math.log(whole.high)) if whole.log else (whole.low, whole.high)
    middle = math.log(value) if whole.log else value
    reach = (high - low) * share / 2
    lowest, highest = max(low, middle - reach), min(high, middle + reach)
    if whole.log:
        lowest, highest = max(math.exp(lowest), whole.low), min(math.exp(highest), whole.high)
    if isinstance(whole, IntDistribution):
        return IntDistribution(math.floor(lowest + 0.5), math.ceil(highest - 0.5), log=whole.log)
    if whole.step is None:
        return FloatDistribution(lowest, highest, log=whole.log)
    first = math.ceil((lowest - whole.low) / whole.step - 1e-9)
    last = math.floor((highest - whole.low) / whole.step + 1e-9)
    return FloatDistribution(whole.low + first * whole.step, whole.low + last * whole.step, step=whole.step)
