"""The curve of a training: one row an epoch, kept across a resume."""

import time
from typing import Any, cast

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from components.train.learner import Learner
from components.train.stopping import require_finite


class History(Callback):
    """Collects loss, score, learning rate and time of each epoch; its rows are part of every checkpoint.

    Attributes:
        epochs: rows of ``epoch`` (from 1), ``train_loss``, ``validation_loss``, ``validation_score``,
            ``learning_rate`` (at the end of the epoch) and ``seconds``.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.started = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the row of the epoch, after its validation.

        Raises:
            TrainingError: the training diverged.
        """
        row = {"train_loss": cast(Learner, pl_module).mean_loss()}
        row |= {name: float(trainer.callback_metrics[name]) for name in ("validation_loss", "validation_score")}
        row["learning_rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        row["seconds"] = time.monotonic() - self.started
        require_finite(trainer.current_epoch + 1, row)
        self.epochs.append({"epoch": trainer.current_epoch + 1, **row})

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on after the rows of a checkpoint."""
        self.epochs = list(state_dict["epochs"])
