"""The trials of a sweep in Optuna's journal: each event is on disk before anything follows from it.

A sweep that was killed is gone on with from there: trials that had ended stay as they are, those that were running are
handed out again, under their numbers, and find their checkpoints.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.samplers import RandomSampler
from optuna.storages.journal import JournalStorage
from optuna.trial import FrozenTrial
from optuna.trial import Trial as Open
from optuna.trial import TrialState as Told

from components.errors import TunesmithError
from components.params.sections import GridSearch, SweepParams
from components.sweep.early import build_pruner, epochs_of_trial
from components.sweep.journal import Journal
from components.sweep.record import LOWER_IS_BETTER, EpochRow, Listener, Trial, TrialState
from components.sweep.space import Tree, Values, grid, standing, suggest
from components.sweep.strategies import build_sampler

EPOCH = "epoch "
"""Before the number of an epoch: the key of its row."""
CHANGED = "values of epoch "
"""Before the number of an epoch: the key of its values, if they are not those that the trial began with."""
WORST = -1.0
"""The score of a trial that diverges before any other has one."""
SPENT, PROCESSES = "seconds", "processes"


@dataclass(frozen=True)
class Handed:
    """A trial that is to be run.

    Attributes:
        number: from 0.
        values: what it sets in params.yaml.
    """

    number: int
    values: Values


class Trials:
    """All trials of one sweep.

    Attributes:
        section: the section ``sweep``.
        tree: params.yaml as plain data.
        study: Optuna's.
        listeners: that hear of every event.
        fault: what a listener has raised.
        unfinished: numbers of the trials that a killed process had begun.
    """

    def __init__(self, journal: Path, section: SweepParams, tree: Tree, listeners: Sequence[Listener] = ()) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.section, self.tree, self.listeners = section, tree, listeners
        self.study = optuna.create_study(
            study_name="sweep",
            storage=JournalStorage(Journal(journal)),
            pruner=build_pruner(section.scheduler, section.budget.epochs),
            directions=["minimize" if name in LOWER_IS_BETTER else "maximize" for name in section.objectives],
            load_if_exists=True,
        )
        self.began, self.spent = time.monotonic(), float(self.study.user_attrs.get(SPENT, 0.0))
        self.study.set_user_attr(PROCESSES, self.processes + 1)
        self.opened: dict[int, Open] = {}
        self.fault: TunesmithError | None = None
        self.grid = grid(section.space, tree) if isinstance(section.strategy, GridSearch) else None
        self.unfinished: list[int] = []
        self._take_up()

    def _take_up(self) -> None:
        """Finds what a killed process has left: trials to go on with, and ends that were not told to the end."""
        self.study.sampler = RandomSampler()  # none of these is drawn again
        for trial in self.study.get_trials(deepcopy=False, states=(Told.RUNNING, Told.WAITING)):
            if "state" in trial.user_attrs:
                self.close(trial.number, trial.user_attrs["state"], trial.user_attrs.get("fault"))
            else:
                self.unfinished.append(trial.number)

    @property
    def processes(self) -> int:
        """How often the sweep was begun or gone on with."""
        return int(self.study.user_attrs.get(PROCESSES, 0))

    @property
    def seconds(self) -> float:
        """Wall-clock time so far, over all processes."""
        return self.spent + time.monotonic() - self.began

    @property
    def planned(self) -> int:
        """Trials in all: those of the budget, or of the grid and params.yaml as it is."""
        count = self.section.budget.trials
        return count if self.grid is None else min(count, len(self.grid) + 1)

    def next(self) -> Handed | None:
        """The next trial: one that a killed process had begun, or a new one; None: there are no more.

        The first is params.yaml as it is, which all others are held against.
        """
        if self.unfinished:
            number = self.unfinished.pop(0)
            values = self._frozen(number).user_attrs.get("values")
            return self._begin(number) if values is None else Handed(number, values)
        number = len(self.study.get_trials(deepcopy=False))
        return self._begin(number) if number < self.planned else None

    def _begin(self, number: int) -> Handed:
        """Draws the values of a trial, or the rest of them, if the process was killed in the middle of that."""
        self.study.sampler = build_sampler(self.section.strategy, self.planned, self.tree["seed"] + number)
        values = self._baseline() if number == 0 else self._drawn(number)
        self._open(number).set_user_attr("values", values)
        self._tell_listeners(number)
        return Handed(number, values)

    def _baseline(self) -> Values:
        """params.yaml as it is; where it lies in the space, the sampler learns from it, too."""
        place = standing(self.section.space, self.tree)
        if place is not None:
            if not self.study.get_trials(deepcopy=False):
                self.study.enqueue_trial(place)
            suggest(self.section.space, self.tree, self._open(0))
        return {}

    def _drawn(self, number: int) -> Values:
        trial = self._open(number)
        return suggest(self.section.space, self.tree, trial) if self.grid is None else self.grid[number - 1]

    def costs(self, number: int, costs: dict[str, float]) -> bool:
        """Takes down what a trial's graph costs, and says whether it keeps the constraints."""
        self._open(number).set_user_attr("costs", costs)
        return all(costs[rule.cost] <= rule.at_most for rule in self.section.constraints)

    def report(self, number: int, row: EpochRow, values: Values | None = None) -> TrialState | None:
        """Takes down an epoch, and says what the trial ends as now; None: it goes on.

        Args:
            number: of the trial.
            row: of the epoch.
            values: those of the epoch, which population-based training changes; None: those that were handed out.

        What the scheduler sees is the best score so far, never the last one. params.yaml as it is goes on to its end:
        all others are held against it.
        """
        trial, key = self._open(number), f"{EPOCH}{row.epoch}"
        new = key not in trial.user_attrs  # after a kill or an exchange of weights, an epoch may come again
        trial.set_user_attr(key, row.model_dump())
        changed = f"{CHANGED}{row.epoch}"
        if values is not None and values != trial.user_attrs.get(changed, trial.user_attrs["values"]):
            trial.set_user_attr(changed, values)
        if new and len(self.section.objectives) == 1:
            trial.report(max(each.validation_score for each in _rows(self._frozen(number))), row.epoch)
        self.study.set_user_attr(SPENT, self.seconds)
        self._tell_listeners(number)
        if row.epoch >= epochs_of_trial(self.section, number, self.planned):
            return "complete" if row.epoch < self.section.budget.epochs else None  # its last report says so itself
        unjudged = number == 0 or len(self.section.objectives) > 1
        return None if unjudged or not trial.should_prune() else "stopped"

    def close_all(self, state: TrialState) -> None:
        """Ends every trial that has not ended."""
        for trial in self.study.get_trials(deepcopy=False, states=(Told.RUNNING,)):
            self.close(trial.number, state)

    def close(self, number: int, state: TrialState, fault: str | None = None) -> None:
        """Ends a trial. One that diverged counts as the worst so far, and not as none."""
        trial = self._open(number)
        for key, value in (("fault", fault), ("state", state)):
            trial.set_user_attr(key, value)
        told: dict[TrialState, Told] = {"complete": Told.COMPLETE, "diverged": Told.COMPLETE, "failed": Told.FAIL}
        outcome = told.get(state, Told.PRUNED)
        if outcome == Told.COMPLETE and self.grid is None and not self._frozen(number).params:
            outcome = Told.FAIL  # params.yaml lies outside of the space, and a sampler must not learn from it
        if outcome == Told.PRUNED and len(self.section.objectives) > 1:
            outcome = Told.FAIL  # of several objectives, Optuna knows no trial that ended early
        self.study.tell(trial, self._objectives(number) if outcome == Told.COMPLETE else None, state=outcome)
        self.study.set_user_attr(SPENT, self.seconds)
        self._tell_listeners(number)

    def _objectives(self, number: int) -> list[float]:
        record = self.record(number)
        values = [record.objective(name) for name in self.section.objectives]
        ended = [_record(each) for each in self.study.get_trials(deepcopy=False, states=(Told.COMPLETE,))]
        worst = min((each.score for each in ended if each.score is not None), default=WORST)
        return [worst if value is None else value for value in values]

    def records(self) -> tuple[Trial, ...]:
        """Every trial, by number."""
        return tuple(_record(frozen) for frozen in self.study.get_trials(deepcopy=False))

    def record(self, number: int) -> Trial:
        """One trial as it is now."""
        return _record(self._frozen(number))

    def _frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def _open(self, number: int) -> Open:
        """A trial that may be written to; Optuna draws from its sampler when it makes one, so each is made once."""
        if number not in self.opened:
            begun = self.study.get_trials(deepcopy=False)[number:]
            waiting = begun and begun[0].state == Told.WAITING
            self.opened[number] = Open(self.study, begun[0]._trial_id) if begun and not waiting else self.study.ask()
        return self.opened[number]

    def _tell_listeners(self, number: int) -> None:
        try:
            for listener in self.listeners:
                listener.changed(self.record(number))
        except TunesmithError as error:
            self.fault = error  # Ray, which has called, makes a traceback of it
            raise


def _record(frozen: FrozenTrial) -> Trial:
    attrs, rows = frozen.user_attrs, _rows(frozen)
    state: TrialState = attrs.get("state", "running")
    top = max(rows, key=lambda row: (row.validation_score, -row.epoch), default=None)
    scored = top if state != "diverged" else None
    return Trial(
        number=frozen.number,
        values=attrs.get(f"{CHANGED}{top.epoch if top else 0}", attrs.get("values", {})),
        state=state,
        score=scored.validation_score if scored else None,
        best_epoch=scored.epoch if scored else None,
        costs=attrs.get("costs", {}),
        epochs=rows,
        seconds=sum(row.seconds for row in rows),
        fault=attrs.get("fault"),
    )


def _rows(frozen: FrozenTrial) -> tuple[EpochRow, ...]:
    rows = [EpochRow.model_validate(row) for key, row in frozen.user_attrs.items() if key.startswith(EPOCH)]
    return tuple(sorted(rows, key=lambda row: row.epoch))
