"""The Lightning module: what happens to a batch."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torchmetrics import MeanMetric, Metric, R2Score
from torchmetrics.classification import MulticlassAccuracy

from components.contracts import ClassTarget, Preprocessing, Target, ValueTarget
from components.nets import Network, build_network, build_preprocess
from components.params import Params
from components.params.sections import EmaParams, PretrainedParams, SwaParams
from components.tasks.augmentation import build_augmentation
from components.train.averaging import (
    STATISTICS_BATCHES,
    build_average,
    estimate_statistics,
    swa_starts,
    update_ema,
    update_swa,
)
from components.train.batches import Batch, Batches, optimizer_steps, steps_per_epoch
from components.train.losses import build_loss, penalty
from components.train.mixing import Mixed, mix_batch
from components.train.optimizers import build_optimizer
from components.train.schedules import Plateau, Schedule, build_schedule
from components.train.sharding import shard


class Learner(lightning.LightningModule):
    """Trains a network on batches of raw samples; preprocessing and augmentation run on the device that trains.

    Attributes:
        params: the whole of params.yaml.
        samples: training samples of an epoch, over all processes.
        batch_size: samples of one batch of one process.
        network: what the optimizer moves: the one that is given, or an untrained one of ``train.network``.
        average: the mean of its weights, which is what is evaluated and exported; None: the network itself is.

    Every batch seeds the random state from the seed and its own number. So what is random in it (augmentation,
    mixing, dropout) is the same whether or not the training was killed and resumed before it.
    """

    def __init__(
        self, params: Params, fitted: Preprocessing, samples: int, batch_size: int, network: Network | None = None
    ) -> None:
        super().__init__()
        self.params, self.samples, self.batch_size = params, samples, batch_size
        self.target = fitted.target
        self.network = (network or build_network(params.train, fitted.inputs, fitted.target.width)).train()
        self.average = build_average(params.train.averaging, self.network)
        self.averaged_epochs = 0
        self.preprocess = build_preprocess(fitted.inputs)
        self.augmentation = build_augmentation(params.augment, fitted.inputs)
        self.loss = build_loss(params.train.loss, fitted.target)
        self.losses = torch.zeros(2)  # sum and number; no buffer, which DDP would overwrite with the first process's
        self.plateau: Plateau | None = None
        self.plateau_seen: dict[str, float] = {}
        self.validation_loss = MeanMetric()
        self.score = _score(fitted.target)

    @property
    def evaluated(self) -> Network:
        """What is validated now: the mean of the weights once there is one."""
        is_swa = isinstance(self.params.train.averaging, SwaParams)
        return self.network if self.average is None or (is_swa and not self.averaged_epochs) else self.average

    def configure_model(self) -> None:
        """Spreads the weights and their mean over the processes, where the strategy is to shard them."""
        if self.device_mesh is not None:
            for network in filter(None, (self.network, self.average)):
                shard(network, self.device_mesh["data_parallel"])

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training.

        Counted by hand: asking ``trainer.estimated_stepping_batches`` sets the training data up before the checkpoint
        is restored, and its position in the epoch would be lost.
        """
        batches = steps_per_epoch(self.samples, self.batch_size, self.trainer.world_size)
        return self.params.train.epochs * optimizer_steps(batches, self.params.train.accumulate_batches)

    def configure_optimizers(self) -> Any:
        """Optimizer and schedule; the schedule moves with every optimizer step."""
        train = self.params.train
        optimizer = build_optimizer(train, self.network)
        schedule, self.plateau = build_schedule(train.schedule, train.warmup, optimizer, self.steps, train.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps what is no tensor of the module: losses so far, what the plateau has seen, epochs in the mean."""
        checkpoint["losses"] = self.losses
        checkpoint["averaged_epochs"] = self.averaged_epochs
        checkpoint["averaging_began"] = self.evaluated is self.average
        checkpoint["plateau"] = self.plateau.state_dict() if self.plateau else {}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Says that a killed training goes on."""
        self.losses, self.averaged_epochs = checkpoint["losses"], checkpoint["averaged_epochs"]
        self.plateau_seen = checkpoint["plateau"]
        print(f"Going on after step {checkpoint['global_step']}, in epoch {checkpoint['epoch'] + 1}.", flush=True)

    def on_train_start(self) -> None:
        """What a checkpoint knew, once the optimizer is there; a backbone that is frozen in this epoch."""
        if self.plateau and self.plateau_seen:
            self.plateau.load_state_dict(self.plateau_seen)
        self._freeze()

    def on_train_epoch_start(self) -> None:
        """Gives the epoch its own order of the samples."""
        batches = cast(Batches, self.trainer.train_dataloader)
        batches.set_epoch(self.current_epoch)
        self.losses = torch.zeros(2)
        self._freeze()

    def _freeze(self) -> None:
        network = self.params.train.network
        if isinstance(network, PretrainedParams):
            self.network.freeze(self.current_epoch < network.frozen_epochs)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Seeds the batch, before its augmentation is drawn."""
        if self.trainer.training:
            batches = cast(Batches, self.trainer.train_dataloader)
            number = self.current_epoch * len(batches) + batches.position
            seed = (self.params.seed * 1_000_003 + number) * 4096 + self.global_rank
            torch.default_generator.manual_seed(seed)  # torch.manual_seed writes a stack trace for each kind of device
            if self.device.type == "cuda":
                torch.cuda.manual_seed(seed)
        return batch

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Any:
        """Raw samples become normalised ones, augmented and mixed while training; values are standardised."""
        raw, labels = batch
        unpacked, labels = self.preprocess.unpack(raw), self._standardised(labels)
        if not self.trainer.training:
            return self.preprocess.normalise(unpacked), labels
        inputs = self.preprocess.normalise(self.augmentation(unpacked))
        mix = getattr(self.params.augment, "mix", None)
        return mix_batch(mix, inputs, labels) if mix else Mixed(inputs, labels, labels, 1.0)

    def _standardised(self, labels: Tensor) -> Tensor:
        if isinstance(self.target, ValueTarget):
            return (labels - self.target.mean) / self.target.std
        return labels

    def training_step(self, batch: Mixed, batch_idx: int) -> Tensor:
        """The loss of one batch, and the penalties; the curve shows the loss alone."""
        loss = self.objective(batch)
        self.losses = self.losses.to(loss.device) + torch.stack([loss.detach().float(), torch.ones_like(loss.float())])
        return loss + penalty(self.params.train.regularisation, self.network)

    def objective(self, batch: Mixed) -> Tensor:
        """What is minimised, but for the penalties: the loss of the network's outputs."""
        return batch.loss(self.loss, self.network(batch.inputs).float())

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """One step, after which the exponential average moves; before any callback, so that checkpoints hold it."""
        step = self.global_step
        super().optimizer_step(*arguments, **named)
        averaging = self.params.train.averaging
        if self.average is not None and isinstance(averaging, EmaParams):
            update_ema(self.average, self.network, averaging.decay, step)

    def on_validation_epoch_start(self) -> None:
        """Takes the weights of a late epoch into the mean, before they are validated."""
        averaging, train = self.params.train.averaging, self.params.train
        late = isinstance(averaging, SwaParams) and self.current_epoch >= swa_starts(averaging, train.epochs)
        if self.average is not None and late:
            update_swa(self.average, self.network, self.averaged_epochs)
            self.averaged_epochs += 1
            if not self.network.frozen:  # a frozen backbone keeps the statistics that it came with
                estimate_statistics(self.average, self._plain_batches())

    def _plain_batches(self) -> Iterator[Tensor]:
        """Training samples as they are, normalised, in the random order of the epoch."""
        batches = cast(Batches, self.trainer.train_dataloader)
        for part in islice(batches.shuffled_parts(self.params.seed, self.batch_size), STATISTICS_BATCHES):
            yield self.preprocess(torch.from_numpy(batches.inputs[part]).to(self.device))

    def on_train_epoch_end(self) -> None:
        """Lowers the learning rate on a plateau."""
        if self.plateau is not None:
            self.plateau.see(float(self.trainer.callback_metrics["validation_score"]))
            cast(Schedule, self.lr_schedulers()).refresh()

    def mean_loss(self) -> float:
        """Mean of the training losses of this epoch, over all processes; every process must ask."""
        gathered = cast(Tensor, self.all_gather(self.losses.to(self.device)))
        total, steps = gathered.view(-1, 2).sum(dim=0).tolist()
        return float(total / steps)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and score on a batch of validation samples."""
        inputs, labels = batch
        outputs = self.evaluated(inputs).float()
        self.score(outputs if isinstance(self.target, ClassTarget) else outputs[:, 0], labels)
        self.validation_loss(self.loss(outputs, labels), weight=len(labels))
        self.log("validation_loss", self.validation_loss, batch_size=len(labels))
        self.log("validation_score", self.score, batch_size=len(labels), prog_bar=True)


def _score(target: Target) -> Metric:
    """Accuracy of classes; R² of values, which standardising leaves as it is."""
    if isinstance(target, ClassTarget):
        return MulticlassAccuracy(len(target.labels), average="micro")
    return R2Score()
