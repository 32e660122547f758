"""One trial, as a Ray worker runs it: a training that reports every epoch, and goes on where it was killed."""

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, Checkpoint
from ray import tune

from components.contracts import PREPARED, LabelledArrays, Preprocessing
from components.errors import TrainingDiverged
from components.export import ServedNetwork, export_onnx
from components.files import read_json, write_json
from components.inference import latencies, open_graph
from components.nets import build_network, build_preprocess
from components.params import Params
from components.sweep.job import SAID, Job
from components.sweep.space import CHECKED, Values, applied, tree_of
from components.sweep.workspace import trial_workspace
from components.train.allocator import keep_freed_memory
from components.train.history import History
from components.train.learner import Learner
from components.train.optimizers import build_optimizer
from components.train.run import fit, quiet
from components.train.schedules import Schedule
from components.train.state import RESUME

GRAPH = "graph.onnx"
GIVEN = "given.json"
"""How many epochs of the checkpoint are not the trial's own."""
REPORT_SECONDS = 1.0
"""The least time between two reports of a trial that decide nothing: each keeps the training waiting."""


def train_trial(config: dict[str, Any], job: Job) -> None:
    """Trains one trial, and reports to Ray: first its costs, if they are asked for, then its epochs, then its end.

    What fails by itself would fail again, and is reported; a worker or a node that dies is Ray's to replace.
    """
    number, values = config["number"], config["values"]
    quiet()
    keep_freed_memory()
    torch.set_num_threads(job.threads)
    try:
        params = params_of(job, values)
        workspace = trial_workspace(job.root, job.folder, params_of(job, {}), params)
        with contextlib.chdir(workspace):
            _train(job, params, number, values)
    except TrainingDiverged as error:
        tune.report(said("diverged", fault=str(error)))
    except Exception as error:  # noqa: BLE001  whatever it is, the sweep goes on, and shows it
        tune.report(said("failed", fault=f"{type(error).__name__}: {error}"))


def params_of(job: Job, values: Values) -> Params:
    """params.yaml as a trial has it."""
    return CHECKED.validate_python(applied(json.loads(job.base), values))


def _train(job: Job, params: Params, number: int, values: Values) -> None:
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    if job.costly:
        tune.report(said("costs", costs=costs_of(params, fitted, job.folder)))
    state = job.state(number)
    state.mkdir(parents=True, exist_ok=True)
    given = tune.get_checkpoint() if job.exchange else None
    if given:
        with given.as_directory() as folder:
            shutil.copy(Path(folder) / RESUME, state / RESUME)
    history = History()
    reporter = Reporter(history, state, values, job, begins_from_given=given is not None)
    try:
        fit(params, fitted, state, [history, reporter, *([Adopting()] if job.exchange else [])])
    except Exception:
        if reporter.began:
            reporter.report()
        raise
    reporter.report()
    tune.report(said("complete"))


def said(event: str, **details: Any) -> dict[str, Any]:
    """What is reported of an event, as one text: Ray would take maps apart."""
    return {SAID: json.dumps({"event": event, **details})}


class Reporter(Checkpoint):
    """Reports epochs to Ray once their checkpoint is on disk: Lightning calls checkpoints after all else.

    An epoch that decides is reported at once, others together, so that short ones do not wait for Ray each.
    """

    def __init__(self, history: History, state: Path, values: Values, job: Job, *, begins_from_given: bool) -> None:
        self.history, self.state, self.values, self.job = history, state, values, job
        self.begins_from_given, self.began = begins_from_given, False
        self.reported, self.at = 0, time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves out the epochs of a checkpoint that Ray has given: they are another trial's, or known.

        Their number is kept: a process that goes on after a kill finds them in the trial's own checkpoint.
        """
        given = self.state / GIVEN
        if self.begins_from_given:
            write_json(given, len(self.history.epochs))
        self.reported = read_json(given) if given.exists() else 0
        self.began = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reports what is new, if the epoch decides or the last report is a while ago."""
        decides = trainer.current_epoch + 1 in self.job.decisive
        if decides or time.monotonic() - self.at >= REPORT_SECONDS:
            self.report(exchanged=decides and self.job.exchange)

    def report(self, *, exchanged: bool = False) -> None:
        """Reports the epochs that this process has not reported: those before a kill may have reached nobody.

        Args:
            exchanged: whether the checkpoint goes with them, for other trials to go on from.
        """
        rows = self.history.epochs[self.reported :]
        self.reported = len(self.history.epochs)
        if not rows:
            return
        score = max(epoch["validation_score"] for epoch in self.history.epochs)
        shown = {"score": score, "epoch": rows[-1]["epoch"], "epoch_score": rows[-1]["validation_score"]}
        self._send(said("epochs", rows=rows, values=self.values) | shown, exchanged)
        self.at = time.monotonic()

    def _send(self, report: dict[str, Any], exchanged: bool) -> None:
        if not exchanged:
            tune.report(report)
            return
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(self.state / RESUME, folder)
            tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


class Adopting(Callback):
    """Lets a training that goes on from another one's checkpoint have hyperparameters of its own.

    What the checkpoint has of the optimizer are the other one's.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sets what params.yaml says of the optimizer in each of its groups, and the learning rate of the step anew."""
        learner, (optimizer,) = cast(Learner, pl_module), trainer.optimizers
        schedule = cast(Schedule, trainer.lr_scheduler_configs[0].scheduler)
        fresh = build_optimizer(learner.params.train, learner.network).param_groups
        for group, wanted in zip(optimizer.param_groups, fresh, strict=True):
            group.update({name: value for name, value in wanted.items() if name != "params"})
        schedule.base_lrs = [group["lr"] for group in fresh]
        schedule.refresh()


def costs_of(params: Params, fitted: Preprocessing, folder: Path) -> dict[str, float]:
    """What the fp32 graph of a network costs, whatever its weights: measured once for each network, one at a time.

    Args:
        params: as the trial has it.
        fitted: to its data.
        folder: of the sweep.

    Returns:
        ``latency_ms``: median time of one inference of one validation sample, one thread; ``kilobytes``: size.
    """
    network = tree_of(params)["train"]["network"]
    key = hashlib.sha256(json.dumps([network, fitted.model_dump(mode="json")], sort_keys=True).encode()).hexdigest()
    known = folder / "costs" / f"{key[:16]}.json"
    known.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(known.parent / ".lock"):
        if not known.exists():
            write_json(known, _measured(params, fitted))
    found: dict[str, float] = read_json(known)
    return found


def _measured(params: Params, fitted: Preprocessing) -> dict[str, float]:
    network = build_network(params.train, fitted.inputs, fitted.target.width)
    served = ServedNetwork(build_preprocess(fitted.inputs), network, fitted.target).eval()
    samples = LabelledArrays.load(PREPARED / "validation").inputs
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / GRAPH
        export_onnx(served, samples, graph)
        taken = latencies({GRAPH: open_graph(graph)}, {GRAPH: samples}, 1, params.compress.latency_repeats)
        return {"latency_ms": taken[GRAPH].p50, "kilobytes": graph.stat().st_size / 1000}
