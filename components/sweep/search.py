"""The search itself: trials in the journal, run by Ray, told to MLflow, and written up."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from components.contracts import PREPARED, Preprocessing
from components.files import whole_folder, write_text
from components.lineage import git_state
from components.params import Params
from components.params.sections import PbtParams, SweepParams
from components.settings import Settings
from components.sweep.cluster import ray_cluster
from components.sweep.disk import Quota
from components.sweep.early import decisive_epochs
from components.sweep.record import RECORD, REPORT, Listener, Sweep, best, front
from components.sweep.report import render
from components.sweep.space import Tree, shortened, tree_of
from components.sweep.tracking import Tracking
from components.sweep.trials import Trials
from components.train.machine import check_machine

LIVES = 3
"""How often a trial is begun again whose process or node has died."""


def search(
    params: Params, section: SweepParams, settings: Settings, folder: Path, done: Path, listeners: Sequence[Listener]
) -> None:
    """Searches, or goes on searching.

    Args:
        params: the whole of params.yaml.
        section: its section ``sweep``.
        settings: of them Ray's address, and what a trial is given.
        folder: of the journal and the checkpoints.
        done: folder of record and report, which is there when the search has ended.
        listeners: that hear of every event.

    Raises:
        TrainingError: this machine lacks what ``train`` asks for.
        SettingsError: there is no Ray cluster at the address of the settings.
        RegistryError: the tracking store cannot be reached.
    """
    check_machine(params.train)
    short = shortened(params, section.budget.epochs)
    folder.mkdir(parents=True, exist_ok=True)
    base = tree_of(short)
    target = Preprocessing.read(PREPARED / "preprocessing.json").target
    tracking = Tracking(params, settings, folder, target)
    quota = Quota(folder / "trials", section.budget.megabytes)
    trials = Trials(folder / "journal.jsonl", section, base, [quota, tracking, *listeners])
    quota.trials = trials
    with ray_cluster(settings):
        run_on_ray(trials, base, params.seed, settings, folder)
    record = _record(folder.name, section, params.seed, target.score, trials)
    tracking.finish(record.trials, record.winner)
    with whole_folder(done) as fresh:
        record.write(fresh / RECORD.name)
        write_text(fresh / REPORT.name, render(record, tree_of(params), params.name))
    for left in ("workspaces", "ray"):
        shutil.rmtree(folder / left, ignore_errors=True)


def run_on_ray(trials: Trials, base: Tree, seed: int, settings: Settings, folder: Path) -> None:
    """Runs all trials on the cluster that this process is connected to.

    Args:
        trials: what is run.
        base: params.yaml with the epochs of a trial, as plain data.
        seed: of what population-based training draws.
        settings: of them what a trial is given.
        folder: of the sweep.

    Raises:
        RegistryError: the tracking store cannot be reached any more.
    """
    from ray import tune  # Ray reads its environment when it is imported

    from components.sweep.job import Job, run_trial
    from components.sweep.tuning import Exchanging, Pruning, Search

    section = trials.section
    scheduler = section.scheduler
    job = Job(
        root=Path.cwd(),
        folder=folder,
        base=json.dumps(base),
        threads=settings.trial_threads,
        costly=bool(section.constraints) or len(section.objectives) > 1,
        decisive=decisive_epochs(section),
        exchange=isinstance(scheduler, PbtParams),
    )
    resources = {"cpu": settings.trial_threads, "gpu": settings.trial_gpus}
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(run_trial, job=job), resources),
        tune_config=tune.TuneConfig(
            search_alg=Search(trials),
            scheduler=Exchanging(trials, scheduler, seed) if isinstance(scheduler, PbtParams) else Pruning(trials),
            num_samples=-1,
            time_budget_s=section.budget.seconds and max(1.0, section.budget.seconds - trials.seconds),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="ray",
            storage_path=str(folder),
            failure_config=tune.FailureConfig(max_failures=LIVES),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=3),  # another trial may still be reading the last one
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except tune.TuneError:
        if trials.fault is None:
            raise
        raise trials.fault from None
    trials.close_all("out_of_time")


def _record(key: str, section: SweepParams, seed: int, score: str, trials: Trials) -> Sweep:
    records = trials.records()
    return Sweep(
        key=key,
        score=score,
        section=section,
        seed=seed,
        commit=git_state().commit,
        trials=records,
        winner=best(records),
        front=front(records, section.objectives),
        seconds=trials.seconds,
        processes=trials.processes,
    )
