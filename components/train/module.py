"""The Lightning module: what happens to a batch."""

from typing import Any, cast

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from components.contracts import Preprocessing
from components.nets import Preprocess, build_network
from components.params import Params
from components.tasks.augmentation import BatchAugmentation
from components.train.batches import Batch, Batches, steps_per_epoch
from components.train.optimisation import build_loss, build_optimizer, build_schedule


class Classifier(lightning.LightningModule):
    """Trains a network on batches of uint8 pixels; preprocessing and augmentation run on the device that trains.

    Attributes:
        params: the whole of params.yaml.
        samples: training samples of an epoch, over all processes.

    Every training step seeds the random state from the seed and its own number. So what is random in a step
    (augmentation, dropout) is the same whether or not the training was killed and resumed before it.
    """

    def __init__(self, params: Params, fitted: Preprocessing, samples: int) -> None:
        super().__init__()
        self.params, self.samples = params, samples
        self.network = build_network(
            params.train.network, (fitted.channels, fitted.height, fitted.width), len(fitted.labels)
        )
        self.preprocess = Preprocess(fitted)
        self.augmentation = BatchAugmentation(params.augment)
        self.loss = build_loss(params.train.loss, fitted.class_counts)
        self.losses = torch.zeros(2)  # sum and number; no buffer, which DDP would overwrite with the first process's
        self.validation_loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(fitted.labels), average="micro")

    def configure_optimizers(self) -> Any:
        """Optimizer and schedule; the schedule moves with every step.

        The steps are counted by hand: asking ``trainer.estimated_stepping_batches`` sets the training data up before
        the checkpoint is restored, and its position in the epoch would be lost.
        """
        train = self.params.train
        clips_mixed = train.precision != "32-true" and train.gradient_clip_norm > 0
        optimizer = build_optimizer(train.optimizer, self.network, fused=not clips_mixed)
        steps = train.epochs * steps_per_epoch(self.samples, train.batch_size, self.trainer.world_size)
        schedule = build_schedule(train.schedule, optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the losses so far: the mean of a resumed epoch is over all its steps."""
        checkpoint["losses"] = self.losses

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Says that a killed training goes on."""
        self.losses = checkpoint["losses"]
        print(f"Going on after step {checkpoint['global_step']}, in epoch {checkpoint['epoch'] + 1}.", flush=True)

    def on_train_epoch_start(self) -> None:
        """Gives the epoch its own order of the samples."""
        batches = cast(Batches, self.trainer.train_dataloader)
        batches.set_epoch(self.current_epoch)
        self.losses = torch.zeros(2)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Seeds the step, before its augmentation is drawn."""
        if self.trainer.training:
            seed = (self.params.seed * 1_000_003 + self.global_step) * 4096 + self.global_rank
            torch.default_generator.manual_seed(seed)  # torch.manual_seed writes a stack trace for each kind of device
            if self.device.type == "cuda":
                torch.cuda.manual_seed(seed)
        return batch

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """uint8 pixels become normalised images, augmented while training; (batch, channels, height, width)."""
        pixels, targets = batch
        images = self.preprocess.scale(pixels)
        if self.trainer.training:
            images = self.augmentation(images)
        return self.preprocess.normalise(images), targets

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        images, targets = batch
        loss: Tensor = self.loss(self.network(images), targets)
        self.losses = self.losses.to(loss.device) + torch.stack([loss.detach().float(), torch.ones_like(loss.float())])
        return loss

    def mean_loss(self) -> float:
        """Mean of the training losses of this epoch, over all processes; every process must ask."""
        gathered = cast(Tensor, self.all_gather(self.losses.to(self.device)))
        total, steps = gathered.view(-1, 2).sum(dim=0).tolist()
        return float(total / steps)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and accuracy on a batch of validation samples."""
        images, targets = batch
        logits = self.network(images)
        self.accuracy(logits, targets)
        self.validation_loss(self.loss(logits, targets), weight=len(targets))
        self.log("validation_loss", self.validation_loss, batch_size=len(targets))
        self.log("validation_accuracy", self.accuracy, batch_size=len(targets), prog_bar=True)
