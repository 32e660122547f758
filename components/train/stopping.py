"""When a training ends before its last epoch."""

import math

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from components.errors import TrainingDiverged


class Stopping(EarlyStopping):
    """Early stopping that remembers: a training that was killed after it had stopped does not train on."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops again where the checkpoint's training had stopped."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def require_finite(epoch: int, row: dict[str, float]) -> None:
    """Makes sure that a training has not diverged.

    Args:
        epoch: its number, from 1.
        row: what was measured of it.

    Raises:
        TrainingDiverged: a measure is infinite or not a number.
    """
    broken = [name for name, value in row.items() if not math.isfinite(value)]
    if broken:
        raise TrainingDiverged(
            f"The training diverged: {' and '.join(broken)} of epoch {epoch} is not a finite number. "
            "Lower train.optimizer.learning_rate, or clip the gradient with train.gradient_clip."
        )
