"""A search until its target, or a hand-written loop over the same trials, in the workspace that is the working folder.

``python -m benchmarks.sweep_worker (search|loop) JSON``; the last line of its output is JSON.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from components.params import Params, load_params
from components.settings import Settings, export_environment
from components.sweep.record import Trial
from components.sweep.space import CHECKED, applied, tree_of


def asked_params(asked: dict[str, Any]) -> Params:
    """params.yaml of the workspace with the sweep that is asked for."""
    section = {
        "space": asked["space"],
        "strategy": asked["strategy"],
        "scheduler": asked["scheduler"],
        "budget": {"trials": asked["trials"], "seconds": None, "epochs": asked["epochs"], "megabytes": 1000},
        "objectives": ["validation_score"],
        "constraints": [],
    }
    early = {"train.early_stopping": None, "sweep": section, "seed": asked["seed"]}
    return CHECKED.validate_python(applied(tree_of(load_params()), {**early, **asked["first"]}))


class Clock:
    """Ends the process once a trial has reached the target."""

    def __init__(self, target: float) -> None:
        self.target = target
        self.began = 0.0

    def changed(self, trial: Trial) -> None:
        """Looks at the best score so far."""
        self.began = self.began or time.perf_counter()
        if trial.score is not None and trial.score >= self.target:
            self.end()

    def end(self) -> None:
        """Answers."""
        print(json.dumps({"seconds": time.perf_counter() - self.began}), flush=True)
        os._exit(0)  # Ray dies with this process


def search(asked: dict[str, Any]) -> None:
    """The search on Ray."""
    from components.sweep.run import sweep

    with tempfile.TemporaryDirectory() as home:
        threads = len(os.sched_getaffinity(0)) if asked.get("alone") else 1
        settings = Settings(home=Path(home), trial_threads=threads)
        export_environment(settings)
        clock = Clock(asked["target"])
        sweep(asked_params(asked), settings, [clock])
        clock.end()


def loop(asked: dict[str, Any]) -> None:
    """The same trials, one after the other in this process."""
    import optuna
    import torch

    from components.contracts import PREPARED, Preprocessing
    from components.errors import TrainingDiverged
    from components.sweep.space import suggest
    from components.sweep.strategies import build_sampler
    from components.train.history import History
    from components.train.run import fit, quiet

    quiet()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    params = asked_params(asked)
    assert params.sweep
    tree = applied(tree_of(params), {"train.epochs": asked["epochs"]})
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    study = optuna.create_study(direction="maximize")
    for number in range(asked["trials"]):
        study.sampler = build_sampler(params.sweep.strategy, asked["trials"], asked["seed"] + number)
        trial = study.ask()
        values = suggest(params.sweep.space, tree, trial) if number else {}
        history = History()
        with tempfile.TemporaryDirectory() as state, contextlib.suppress(TrainingDiverged):
            fit(CHECKED.validate_python(applied(tree, values)), fitted, Path(state), [history])
        study.tell(trial, max((row["validation_score"] for row in history.epochs), default=0.0))


if __name__ == "__main__":
    {"search": search, "loop": loop}[sys.argv[1]](json.loads(sys.argv[2]))
