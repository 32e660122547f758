"""Functions that a sweep is asked to maximise in place of a training, and a search of one without Ray."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.params.sections import BudgetParams, NoScheduler, SweepParams
from components.sweep.record import EpochRow
from components.sweep.space import Tree, Values
from components.sweep.trials import Trials

Function = Callable[[Values], float]
BRANIN_SPACE = {
    "train.x": {"kind": "uniform", "low": -5, "high": 10},
    "train.y": {"kind": "uniform", "low": 0, "high": 15},
}
CONDITIONAL_SPACE = {
    "train.kind": {"kind": "choice", "values": ["flat", "sharp"]},
    "train.wide": {
        "kind": "conditional",
        "where": "train.kind",
        "equals": ["flat"],
        "then": {"kind": "uniform", "low": -1, "high": 1},
    },
    "train.rate": {
        "kind": "conditional",
        "where": "train.kind",
        "equals": ["sharp"],
        "then": {"kind": "loguniform", "low": 1e-5, "high": 1.0},
    },
    "train.decay": {
        "kind": "conditional",
        "where": "train.kind",
        "equals": ["sharp"],
        "then": {"kind": "uniform", "low": 0.0, "high": 1.0},
    },
}


def branin(values: Values) -> float:
    """Less Branin's function (Dixon & Szegö 1978), whose lowest value is 0.397887."""
    x, y = values["train.x"], values["train.y"]
    bent = y - 5.1 * x**2 / (4 * math.pi**2) + 5 * x / math.pi - 6
    return -(bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


def conditional(values: Values) -> float:
    """At most 0.5 where the kind is flat; 1 at one rate, 0.01, and one decay, 0.3, where it is sharp."""
    if values["train.kind"] == "flat":
        return 0.5 - float(values["train.wide"]) ** 2
    return 1 - abs(math.log10(values["train.rate"]) + 2) / 2 - abs(float(values["train.decay"]) - 0.3)


def section(space: dict[str, Any], strategy: dict[str, Any], trials: int, **other: Any) -> SweepParams:
    """A section ``sweep`` of one objective, by default without a scheduler and with one epoch a trial."""
    given = {
        "space": space,
        "strategy": strategy,
        "scheduler": NoScheduler(name="none").model_dump(),
        "budget": BudgetParams(trials=trials, seconds=None, epochs=1, megabytes=100).model_dump(),
        "objectives": ["validation_score"],
        "constraints": [],
    }
    return SweepParams.model_validate({**given, **other})


def tree(seed: int = 7) -> Tree:
    """Plain data that such a space may be set in."""
    return {"seed": seed, "train": {"x": 0.0, "y": 0.0, "kind": "flat", "wide": 1.0}}


def row(epoch: int, score: float) -> EpochRow:
    """One epoch that came to a score."""
    return EpochRow(
        epoch=epoch, train_loss=1.0, validation_loss=1.0, validation_score=score, learning_rate=0.1, seconds=0.5
    )


def maximise(function: Function, trials: Trials) -> float:
    """Runs a search to its end; the best value of its trials, params.yaml as it is left out."""
    found = []
    while handed := trials.next():
        value = function(handed.values) if handed.values else -1e3
        trials.report(handed.number, row(1, value))
        trials.close(handed.number, "complete")
        found.append(value)
    return max(found)


def search(function: Function, given: SweepParams, seed: int, folder: Path) -> float:
    """The best value that a search of a seed comes to."""
    return maximise(function, Trials(folder / f"{given.strategy.name}-{seed}.jsonl", given, tree(1000 * seed)))
