"""The prepared splits as batches."""

from typing import cast

import numpy as np
import pytorch_lightning as lightning
from numpy.typing import NDArray

from components.arrays import slices
from components.contracts import AUGMENTED, PREPARED, Inputs, LabelledArrays, TextInputs
from components.train.batches import Batches

VALIDATION_BATCH = 512


class Data(lightning.LightningDataModule):
    """The prepared splits as batches; each rank of a distributed training gets its part.

    Attributes:
        order: (epoch,) indices of the training samples that an epoch sees, as stage ``augment`` left them.
        batch_size: training samples of one batch of one process.
    """

    def __init__(self, seed: int, inputs: Inputs, batch_size: int) -> None:
        super().__init__()
        self.seed, self.inputs, self.batch_size = seed, inputs, batch_size
        self.order = np.load(AUGMENTED / "order.npy", mmap_mode="r", allow_pickle=False)

    def train_dataloader(self) -> Batches:
        """Shuffled batches."""
        arrays = LabelledArrays.load(PREPARED / "train")
        return self._batches(arrays, self.order, self.batch_size, self.seed)

    def val_dataloader(self) -> Batches:
        """Every validation sample once."""
        arrays = LabelledArrays.load(PREPARED / "validation")
        return self._batches(arrays, np.arange(len(arrays.labels)), VALIDATION_BATCH, None)

    def _batches(self, arrays: LabelledArrays, order: NDArray[np.int64], batch_size: int, seed: int | None) -> Batches:
        trainer = cast(lightning.Trainer, self.trainer)
        return Batches(
            arrays.inputs,
            arrays.labels,
            order,
            batch_size=batch_size,
            seed=seed,
            rank=trainer.global_rank,
            ranks=trainer.world_size,
            lengths=token_counts(arrays, self.inputs),
        )


def token_counts(arrays: LabelledArrays, inputs: Inputs) -> NDArray[np.int64] | None:
    """(samples,) int64 tokens of each text up to its last real one; None: no texts, and so all of one size."""
    if not isinstance(inputs, TextInputs):
        return None
    sizes = slices(len(arrays.inputs), arrays.inputs[0].nbytes)
    return np.concatenate([_last_places(arrays.inputs[part] != inputs.padding) for part in sizes])


def _last_places(real_bt: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(batch,) one behind the last real token of each text, 0 where there is none."""
    places = np.arange(1, real_bt.shape[1] + 1)
    last: NDArray[np.int64] = (real_bt * places).max(axis=1)
    return last
