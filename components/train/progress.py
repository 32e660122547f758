"""What a person sees of a training: a bar in a terminal, a line an epoch elsewhere."""

import sys

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, RichProgressBar

from components.train.history import History


def progress_callback(history: History, epochs: int, score: str) -> Callback:
    """A bar where someone looks on, lines where the output is kept."""
    return RichProgressBar(leave=False) if sys.stderr.isatty() else EpochLines(history, epochs, score)


class EpochLines(Callback):
    """Prints one line an epoch, with the time that is left."""

    def __init__(self, history: History, epochs: int, score: str) -> None:
        self.history, self.epochs, self.score = history, epochs, score

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the epoch that the history has just closed."""
        if not trainer.is_global_zero:
            return
        rows = self.history.epochs
        row = rows[-1]
        left = (self.epochs - row["epoch"]) * sum(each["seconds"] for each in rows) / len(rows)
        print(
            f"epoch {row['epoch']:.0f}/{self.epochs}: loss {row['train_loss']:.4f}, validation {self.score} "
            f"{row['validation_score']:.4f}, {row['seconds']:.1f} s, at most {left:.0f} s left",
            flush=True,
        )
