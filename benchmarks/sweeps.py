"""Sweeps: how soon each strategy finds a good model, and what the search costs beyond its trainings.

The digits of scikit-learn and a small network, so that many trials fit into minutes; a wide space, in which most trials
come to nothing. Every strategy has the same seeds and the same space, one trial a processor, and is stopped when it has
reached the target. The hand-written loop trains the same configurations of the preset's own network one after the other
in one process.
"""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ratio import Ratio
from benchmarks.workspace import timed, workspace

SEEDS = 3
TARGET = 1.0
"""Validation accuracy: all of 236 samples right. In a space whose learning rates begin at 1e-6 and deviations at 1e-4,
8 of 200 random trials reached it; in this one, which is wider where nothing is learnt, one in some 45 would."""
SPACE = {
    "train.optimizer.learning_rate": {"kind": "loguniform", "low": 1e-8, "high": 10.0},
    "train.initialisation.std": {"kind": "loguniform", "low": 1e-6, "high": 10.0},
    "train.optimizer.weight_decay": {"kind": "loguniform", "low": 1e-4, "high": 1.0},
    "train.regularisation.l1": {"kind": "loguniform", "low": 1e-8, "high": 1.0},
    "train.regularisation.l2": {"kind": "loguniform", "low": 1e-8, "high": 1.0},
    "train.network.dropout": {"kind": "uniform", "low": 0.0, "high": 0.8},
    "train.loss.label_smoothing": {"kind": "uniform", "low": 0.0, "high": 0.5},
}
BAD_START = {"train.optimizer.learning_rate": 1e-6, "train.initialisation": {"name": "normal", "std": 1e-4}}
"""The first trial is params.yaml as it is, and must not be good."""
SMALL = {"train.network.filters": [8, 16], "train.network.dense": [32], "train.network.batch_norm": False}
"""Without normalisation, which forgives a bad initialisation."""
RANDOM = {"name": "random"}
ASHA = {"name": "asha", "grace_epochs": 1, "reduction": 3}
NONE = {"name": "none"}
COARSE = {"name": "coarse_to_fine", "coarse_share": 0.2, "coarse_epochs": 3, "best": 3, "neighbourhood": 0.3,
          "fine": "random"}  # fmt: skip
STRATEGIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "random search": (RANDOM, NONE),
    "ASHA": (RANDOM, ASHA),
    "bayes + ASHA": ({"name": "bayes", "model": "tpe", "random_trials": 8}, ASHA),
    "coarse to fine": (COARSE, NONE),
    "coarse to fine + ASHA": (COARSE, ASHA),
}
TRIALS, EPOCHS = 150, 27
LOOP_TRIALS = 14


def main() -> list[Ratio]:
    """Measures how soon each strategy is there, and what the search costs beyond its trainings."""
    with workspace() as root:
        prepare(root)
        runs = [{name: seconds_to_target(root, name, seed) for name in STRATEGIES} for seed in range(SEEDS)]
        times = {name: [run[name] for run in runs] for name in STRATEGIES}
        walls = [seconds_of_search_and_loop(root, seed) for seed in range(3)]
    beyond = median((searched - looped) / LOOP_TRIALS for searched, looped in walls)
    plain = times.pop("random search")
    return [
        *(speed_up(name, plain, taken) for name, taken in times.items()),
        Ratio.of(
            "sweep: the search / a hand-written loop over the same trials",
            [searched / looped for searched, looped in walls],
            "≤ 1.15",
            f"{LOOP_TRIALS} trials of {EPOCHS} epochs, one at a time; {beyond:.2f} s a trial beyond its training, with "
            "a share in Ray's start",
        ),
    ]


def speed_up(name: str, plain: list[float], taken: list[float]) -> Ratio:
    """Time of random search over that of a strategy: of the medians over the seeds; the spread is that of the seeds."""
    ratios = sorted(one / other for one, other in zip(plain, taken, strict=True))
    return Ratio(
        f"sweep: time to {TARGET:.1%} by random search / by {name}",
        median(plain) / median(taken),
        "≥ 3.0",
        (ratios[0], ratios[-1]),
        f"{SEEDS} seeds, at most {TRIALS} trials; medians {median(plain):.0f} s and {median(taken):.0f} s, after the "
        "first trial has begun",
    )


def prepare(root: Path) -> None:
    """The digits as a folder of images, through the line as far as a sweep needs it."""
    from tests.line.kinds import IMAGES

    IMAGES.prepare(root)
    timed(["dvc", "repro", "--quiet", "augment"], root)


def seconds_to_target(root: Path, name: str, seed: int) -> float:
    """Until the best trial so far has reached the target; all the time that was spent, if none has."""
    strategy, scheduler = STRATEGIES[name]
    asked = {"strategy": strategy, "scheduler": scheduler, "seed": seed, "target": TARGET, "trials": TRIALS}
    asked |= {"epochs": EPOCHS, "first": BAD_START | SMALL}
    return float(_worker(root, "search", asked)["seconds"])


def seconds_of_search_and_loop(root: Path, seed: int) -> tuple[float, float]:
    """Wall-clock time of a search from its command to its end, and of a loop over the same trials."""
    asked = {"strategy": RANDOM, "scheduler": NONE, "seed": seed, "target": 2.0, "trials": LOOP_TRIALS}
    asked |= {"epochs": EPOCHS, "first": BAD_START}
    searched, _ = timed(_command("search", asked | {"alone": True}), root)
    looped, _ = timed(_command("loop", asked), root)
    return searched, looped


def _worker(root: Path, what: str, asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(timed(_command(what, asked), root)[1].splitlines()[-1])
    print(
        f"  {asked['strategy']['name']}, {asked['scheduler']['name']}, seed {asked['seed']}: {found['seconds']:.0f} s"
    )
    return found


def _command(what: str, asked: dict[str, Any]) -> list[str]:
    return [sys.executable, "-m", "benchmarks.sweep_worker", what, json.dumps(asked | {"space": SPACE})]
