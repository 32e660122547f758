"""The files of stage ``train``: data in, weights and curves out, with a checkpoint to go on from."""

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.strategies import Strategy
from safetensors.torch import save
from torch import Tensor

from components.contracts import AUGMENTED, PREPARED, REPORTS, TRAINED, Preprocessing, TrainedModel
from components.errors import TrainingError
from components.files import file_sha256, whole_folder, write_bytes, write_json
from components.lineage import code_tree, tree_digest
from components.nets import count_parameters
from components.params import Params
from components.params.sections import PretrainedParams, TrainParams
from components.settings import Settings
from components.train.allocator import keep_freed_memory
from components.train.batch_size import resolve_batch_size
from components.train.checkpoints import ResumeCheckpoint, SafetensorsIO
from components.train.data import Data
from components.train.environment import environment, machine
from components.train.history import History
from components.train.learner import Learner
from components.train.machine import check_machine
from components.train.progress import progress_callback
from components.train.sharding import FullySharded
from components.train.state import BEST, RESUME
from components.train.stopping import Stopping
from components.train.tracking import Tracking, is_first_process


def run(params: Params, settings: Settings) -> None:
    """Runs the stage."""
    quiet()
    keep_freed_memory()
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    check_machine(params.train)
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    state = settings.home / "checkpoints" / "train" / fingerprint(params)
    history = History()
    if not is_first_process():
        fit(params, fitted, state, [history])
        return
    tracking = Tracking.open(params, settings, state, fitted.target)
    shown = [progress_callback(history, params.train.epochs, fitted.target.score), tracking.callback(history)]
    try:
        module = fit(params, fitted, state, [history, *shown])
    except TrainingError:
        tracking.fail()
        shutil.rmtree(state)
        raise
    best = _write_outputs(module, history, state, tracking.run_id)
    tracking.finish(best)
    shutil.rmtree(state)
    score = f"{fitted.target.score} {best.validation_score:.4f} on the validation split"
    print(f"Best of {best.epochs} epochs: number {best.best_epoch}, {score}.")


def fit(
    params: Params,
    fitted: Preprocessing,
    state: Path,
    callbacks: list[Callback],
    build: Callable[[Params, Preprocessing, int, int], Learner] = Learner,
) -> Learner:
    """Trains, from the checkpoint in ``state`` if there is one, and keeps checkpoints there.

    Args:
        params: the whole of params.yaml.
        fitted: what was fitted on the training split.
        state: folder of ``resume.safetensors`` and ``best.safetensors``.
        callbacks: what listens; the same in every process of a distributed training, but for what prints and logs.
        build: makes the module of the params, what was fitted, the samples of an epoch and the batch size.

    Returns:
        The module with its last weights.

    Raises:
        TrainingError: this machine has no such devices, or the training diverged.
    """
    train = params.train
    batch_size = resolve_batch_size(params, fitted, state)
    lightning.seed_everything(params.seed, verbose=False)
    data = Data(params.seed, fitted.inputs, batch_size)
    module = build(params, fitted, len(data.order), batch_size)
    if train.early_stopping:
        rule = train.early_stopping
        stopping = Stopping("validation_score", mode="max", patience=rule.patience, min_delta=rule.min_delta)
        callbacks = [*callbacks, stopping]
    trainer = _trainer(
        params, [*checkpointing(state, train.checkpoint_every_steps * train.accumulate_batches), *callbacks]
    )
    resume = state / RESUME
    trainer.fit(module, datamodule=data, ckpt_path=resume if resume.exists() else None)
    return module


def _trainer(params: Params, callbacks: list[Callback]) -> lightning.Trainer:
    train = params.train
    clip = train.gradient_clip
    try:
        return lightning.Trainer(
            accelerator=train.accelerator,
            devices=train.devices,
            strategy=_strategy(train),
            precision=train.precision,
            max_epochs=train.epochs,
            gradient_clip_val=clip.norm or clip.value or None,
            gradient_clip_algorithm="value" if clip.value else "norm",
            accumulate_grad_batches=train.accumulate_batches,
            plugins=[SafetensorsIO()],
            callbacks=callbacks,
            logger=False,
            enable_model_summary=False,
            enable_progress_bar=any(isinstance(callback, lightning.callbacks.ProgressBar) for callback in callbacks),
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError) as error:
        wish = f"{train.devices} × {train.accelerator}, strategy {train.strategy}, precision {train.precision}"
        raise TrainingError(f"params.yaml asks for {wish}, which this machine cannot give: {error}") from None


def _strategy(train: TrainParams) -> str | Strategy:
    """What Lightning knows it by; a backbone that is frozen at first has weights that get no gradient."""
    if train.strategy == "fsdp":
        return FullySharded(train.devices)
    if train.strategy == "ddp" and isinstance(train.network, PretrainedParams):
        return "ddp_find_unused_parameters_true"
    return train.strategy


def checkpointing(state: Path, every_batches: int) -> list[Callback]:
    """Two checkpoints: the best weights by validation score, and the state to go on from."""
    best = ModelCheckpoint(
        dirpath=state,
        filename="best",
        monitor="validation_score",
        mode="max",
        save_weights_only=True,
        enable_version_counter=False,
    )
    best.FILE_EXTENSION = ".safetensors"
    return [best, ResumeCheckpoint(state / RESUME, every_batches)]


def fingerprint(params: Params) -> str:
    """Names a training by all that its weights follow from; only the same training may go on from a checkpoint."""
    chosen = params.model_dump(include={"task", "seed", "augment", "train"}, mode="json")
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode())
    digest.update(f"{Path.cwd()} torch {torch.__version__} numpy {np.__version__}".encode())
    files = [PREPARED / split / f"{part}.npy" for split in ("train", "validation") for part in ("inputs", "labels")]
    for file in [*files, PREPARED / "preprocessing.json", AUGMENTED / "order.npy"]:
        digest.update(file_sha256(file).encode())
    folders = [Path(__file__).parents[1]]
    if isinstance(params.train.network, PretrainedParams):
        folders.append(Path(params.train.network.checkpoint))  # nothing is there of one on the hub
    for folder in folders:
        digest.update(tree_digest(code_tree(folder)).encode())
    return digest.hexdigest()[:32]


def _write_outputs(module: Learner, history: History, state: Path, run_id: str) -> TrainedModel:
    best = max(history.epochs, key=lambda epoch: (epoch["validation_score"], -epoch["epoch"]))
    trained = TrainedModel(
        run_id=run_id,
        epochs=len(history.epochs),
        best_epoch=int(best["epoch"]),
        validation_score=best["validation_score"],
        parameters=count_parameters(module.network),
        environment=environment(),
        machine=machine(module.trainer.strategy.root_device),
    )
    with whole_folder(TRAINED) as folder:
        write_bytes(folder / "best.safetensors", network_weights(state / BEST))
        write_bytes(folder / "last.safetensors", network_weights(state / RESUME))
        trained.write(folder / "trained.json")
    with whole_folder(REPORTS / "train") as folder:
        write_json(folder / "history.json", history.epochs)
    return trained


def network_weights(checkpoint: Path) -> bytes:
    """The weights of the network alone, as a safetensors file, from a checkpoint of the whole training."""
    state = SafetensorsIO().load_checkpoint(checkpoint)
    values: dict[str, Tensor] = state["state_dict"]
    # SWA's mean is a copy of the first weights until an epoch has gone into it; EMA's always is one.
    averaged = any(name.startswith("average.") for name in values) and state["averaging_began"]
    prefix = "average." if averaged else "network."
    weights = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    return save({name: value.contiguous() for name, value in weights.items()})


def quiet() -> None:
    """Lightning's advice that does not apply: the loader needs no workers, and hooks of the module are meant to win."""
    advice = "have many workers|exists and is not empty|LeafSpec|TreeSpec|You have overridden|all_gather is deprecated"
    warnings.filterwarnings("ignore", message=f".*({advice}).*")
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
