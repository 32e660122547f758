"""How much each dimension of a space matters to the score: fANOVA (Hutter et al. 2014, proceedings.mlr.press/v32)."""

import optuna

from components.params.sections import AnyDimension
from components.sweep.record import Sweep, Trial
from components.sweep.space import distribution, drawn

FEWEST = 4
"""Trials with a score, below which nothing can be said."""


def importances(sweep: Sweep) -> dict[str, float]:
    """Share of the variance of the score that each dimension explains, the largest first; empty: too few trials.

    Dimensions that some trials do not have, because of a condition, are left out.
    """
    trials = [trial for trial in sweep.trials if trial.values and trial.score is not None]
    places = [
        place for place in sweep.section.space if len({repr(trial.values.get(place)) for trial in trials}) > 1
        and all(place in trial.values for trial in trials)
    ]  # fmt: skip
    if len(trials) < FEWEST or not places or len({trial.score for trial in trials}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        study.add_trial(_frozen(trial, {place: sweep.section.space[place] for place in places}))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=sweep.seed)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _frozen(trial: Trial, space: dict[str, AnyDimension]) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        params={place: drawn(dimension, trial.values[place]) for place, dimension in space.items()},
        distributions={place: distribution(dimension) for place, dimension in space.items()},
        value=trial.score,
    )
