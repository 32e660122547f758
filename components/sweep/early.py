"""Which trials end early, and after which epochs that is decided."""

from itertools import count, takewhile

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

from components.params.sections import (
    AshaParams,
    CoarseToFineSearch,
    HyperbandParams,
    MedianParams,
    PbtParams,
    SchedulerParams,
    SweepParams,
)
from components.sweep.strategies import coarse_trials


def build_pruner(scheduler: SchedulerParams, epochs: int) -> BasePruner:
    """What ends trials early.

    Args:
        scheduler: the section.
        epochs: of a trial.
    """
    match scheduler:
        case AshaParams(grace_epochs=grace, reduction=reduction):
            return SuccessiveHalvingPruner(min_resource=grace, reduction_factor=reduction)
        case HyperbandParams(grace_epochs=grace, reduction=reduction):
            return HyperbandPruner(min_resource=grace, max_resource=epochs, reduction_factor=reduction)
        case MedianParams(grace_epochs=grace, full_trials=trials):
            return MedianPruner(n_startup_trials=trials, n_warmup_steps=grace)
        case _:
            return NopPruner()


def epochs_of_trial(section: SweepParams, number: int, trials: int) -> int:
    """How many epochs a trial has that nobody ends: one of a wide search may have fewer than others.

    params.yaml as it is, number 0, has all of them: others are held against it.

    Args:
        section: the section ``sweep``.
        number: of the trial.
        trials: of the whole sweep.
    """
    strategy = section.strategy
    if not isinstance(strategy, CoarseToFineSearch) or strategy.coarse_epochs is None:
        return section.budget.epochs
    return strategy.coarse_epochs if 0 < number < coarse_trials(strategy, trials) else section.budget.epochs


def decisive_epochs(section: SweepParams) -> frozenset[int]:
    """The epochs after which a trial may be ended, or exchange its weights, in ``1..budget.epochs``."""
    few = getattr(section.strategy, "coarse_epochs", None)
    return _of_scheduler(section.scheduler, section.budget.epochs) | ({few} if few else set())


def _of_scheduler(scheduler: SchedulerParams, epochs: int) -> frozenset[int]:
    match scheduler:
        case (
            AshaParams(grace_epochs=grace, reduction=reduction)
            | HyperbandParams(grace_epochs=grace, reduction=reduction)
        ):
            return frozenset(takewhile(lambda rung: rung <= epochs, (grace * reduction**n for n in count())))
        case MedianParams(grace_epochs=grace):
            return frozenset(range(grace, epochs + 1))
        case PbtParams(every_epochs=every):
            return frozenset(range(every, epochs, every))  # after its last epoch, a trial has no use for others
        case _:
            return frozenset()
