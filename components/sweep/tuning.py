"""Between Ray Tune and the trials: which trial is next, what is reported of it, and whether it goes on."""

import json
import math
import random
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search import Searcher

from components.params.sections import Conditional, Dimension, LogUniform, PbtParams, Uniform
from components.sweep.early import decisive_epochs
from components.sweep.job import SAID
from components.sweep.record import EpochRow
from components.sweep.space import Space, Values, listed, rounded
from components.sweep.trials import Trials


class Unwritten:
    """Ray writes its searcher and its scheduler to disk as pickles, to read them again; of these it gets nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: every event is in the journal."""
        return {}


class Search(Unwritten, Searcher):  # type: ignore[misc]  # untyped base
    """Hands out the trials, and closes each with what it has reported last."""

    def __init__(self, trials: Trials) -> None:
        super().__init__(metric="score", mode="max")
        self.trials, self.numbers = trials, dict[str, int]()

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The configuration of the next trial."""
        handed = self.trials.next()
        if handed is None:
            return str(Searcher.FINISHED)
        self.numbers[trial_id] = handed.number
        return {"number": handed.number, "values": handed.values}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Ends a trial."""
        number, said = self.numbers[trial_id], heard(result)
        if self.trials.record(number).state != "running":
            return  # the scheduler has ended it
        if error:
            self.trials.close(number, "failed", "The processes that trained it died, time and again.")
        elif said.get("event") in ("complete", "diverged", "failed"):
            self.trials.close(number, said["event"], said.get("fault"))
        else:
            self.trials.close(number, "out_of_time")

    def save(self, checkpoint_path: str) -> None:
        """Nothing: every event is in the journal."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as said."""


def heard(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a trial has said in a report; nothing, if it was none of its own."""
    event: dict[str, Any] = json.loads((result or {}).get(SAID, "{}"))
    return event


def listen(trials: Trials, config: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Takes down what a trial reports, and says whether it goes on.

    Args:
        trials: of the sweep.
        config: of the trial.
        said: what it reports.
    """
    number: int = config["number"]
    match said:
        case {"event": "costs", "costs": costs} if not trials.costs(number, costs):
            trials.close(number, "too_costly")
            return False
        case {"event": "epochs", "rows": rows, "values": values}:
            # The epochs after the one that ends a trial are not taken down: it ends the same however they were sent.
            for row in rows:
                if ended := trials.report(number, EpochRow.model_validate(row), values):
                    trials.close(number, ended)
                    return False
    return True


class Pruning(Unwritten, FIFOScheduler):  # type: ignore[misc]  # untyped base
    """Ends a trial where a pruner of Optuna says so, which knows every trial of the journal."""

    def __init__(self, trials: Trials) -> None:
        super().__init__()
        self.trials = trials

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Says whether the trial goes on."""
        goes_on = listen(self.trials, trial.config, heard(result))
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)


class Exchanging(Unwritten, PopulationBasedTraining):  # type: ignore[misc]  # untyped base
    """Population-based training over the trials of a sweep.

    Trials wait for one another where they exchange: if a bad one that is ahead did not, it would never meet a good one
    of its epoch, and which trials met would be a matter of time.
    """

    _next_perturbation_sync: int  # Ray's

    def __init__(self, trials: Trials, params: PbtParams, seed: int) -> None:
        self.trials = trials
        self.decisive = decisive_epochs(trials.section)
        space = trials.section.space
        random.seed(seed)  # Ray draws from there
        super().__init__(
            time_attr="epoch",
            metric="epoch_score",
            mode="max",
            perturbation_interval=params.every_epochs,
            quantile_fraction=params.quantile,
            resample_probability=params.resample,
            hyperparam_mutations={"values": mutations(space)},
            custom_explore_fn=lambda config: {**config, "values": inside(space, config["values"])},
            synch=True,
        )

    def on_trial_add(self, tune_controller: Any, trial: RayTrial) -> None:
        """Takes the trial in. Ray does not where a searcher gives the trials: most know nothing of changed values.

        Ours does, and hears of them.
        """
        super().on_trial_add(SimpleNamespace(search_alg=None), trial)

    def choose_trial_to_run(self, tune_controller: Any) -> RayTrial | None:
        """The next trial. Where the one that all others wait for has ended, they go on: Ray lets them wait for ever."""
        if {trial.status for trial in tune_controller.get_live_trials()} == {RayTrial.PAUSED}:
            reached = min(self._trial_state[trial].last_train_time for trial in tune_controller.get_live_trials())
            self._next_perturbation_sync = max(self._next_perturbation_sync, reached + 1)
        return super().choose_trial_to_run(tune_controller)

    def _save_trial_state(self, state: Any, time: int, result: dict[str, Any], trial: RayTrial) -> Any:
        """Keeps params.yaml as it is out of the ranks: it takes nothing and gives nothing."""
        score = super()._save_trial_state(state, time, result, trial)
        if trial.config["number"] == 0:
            state.last_score = math.nan
        return score

    def _get_new_config(self, trial: RayTrial, trial_to_clone: RayTrial) -> tuple[dict[str, Any], dict[str, Any]]:
        """What Ray makes of the other one's configuration; the number stays the trial's own."""
        config, operations = super()._get_new_config(trial, trial_to_clone)
        return {**config, "number": trial.config["number"]}, operations

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Takes the report down, and lets Ray exchange."""
        if not listen(self.trials, trial.config, heard(result)):
            return str(TrialScheduler.STOP)
        if result.get("epoch") not in self.decisive:
            return str(TrialScheduler.CONTINUE)
        return str(super().on_trial_result(tune_controller, trial, result))


def mutations(space: Space) -> dict[str, list[Any] | Callable[[], float]]:
    """What Ray draws a value anew from: a list, or a function."""
    return {place: _mutation(dimension) for place, dimension in space.items() if not isinstance(dimension, Conditional)}


def _mutation(dimension: Dimension) -> list[Any] | Callable[[], float]:
    match dimension:
        case Uniform(low=low, high=high):
            return lambda: random.uniform(low, high)  # noqa: S311  no secret
        case LogUniform(low=low, high=high):
            return lambda: float(low * (high / low) ** random.random())  # noqa: S311  no secret
        case _:
            return listed(dimension)


def inside(space: Space, values: Values) -> Values:
    """The values, within their ranges: Ray multiplies without looking at them."""
    kept = dict(values)
    for place, dimension in space.items():
        if isinstance(dimension, Uniform | LogUniform):
            kept[place] = min(max(rounded(values[place]), dimension.low), dimension.high)
    return kept
