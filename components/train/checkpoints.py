"""Lightning checkpoints without pickle, and when one is written to go on from.

Tensors are kept as safetensors, everything else as JSON in the same file's header.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from components.errors import DataError
from components.files import write_bytes

StrPath = str | os.PathLike[str]


class SafetensorsIO(CheckpointIO):
    """Saves and loads whole checkpoints; a file is never seen half-written."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: StrPath, storage_options: Any | None = None) -> None:
        """Writes a checkpoint.

        Raises:
            TypeError: it holds something that is neither a tensor nor plain data.
        """
        tensors: dict[str, torch.Tensor] = {}
        tree = _without_tensors(checkpoint, tensors)
        write_bytes(Path(path), save(tensors, metadata={"checkpoint": json.dumps(tree)}))

    def load_checkpoint(
        self, path: StrPath, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint, its tensors on the CPU; nothing in the file is ever executed.

        Raises:
            DataError: the file is damaged.
        """
        try:
            with safe_open(path, framework="pt") as file:
                tree = json.loads(file.metadata()["checkpoint"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a dict
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"The checkpoint {path} is damaged ({error}). Delete it: training then starts anew."
            ) from None
        checkpoint: dict[str, Any] = _with_tensors(tree, tensors)
        return checkpoint

    def remove_checkpoint(self, path: StrPath) -> None:
        """Deletes a checkpoint."""
        Path(path).unlink(missing_ok=True)


class ResumeCheckpoint(Checkpoint):
    """Keeps the newest state of a training in one file: every so many batches, and after each epoch.

    Never on the last step of an epoch: what Lightning resumes from there skips the epoch's validation.

    Attributes:
        path: the file.
        every_batches: batches between two checkpoints; a whole number of optimizer steps.
    """

    def __init__(self, path: Path, every_batches: int) -> None:
        self.path, self.every_batches = path, every_batches

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves in mid-epoch."""
        if (batch_idx + 1) % self.every_batches == 0 and not trainer.is_last_batch:
            trainer.save_checkpoint(self.path)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves after validation, when every other callback has seen the epoch."""
        trainer.save_checkpoint(self.path)


def _is_channels_last(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


def _without_tensors(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Plain JSON with a tagged list for what JSON lacks: tensors, tuples, and maps whose keys are not strings."""
    if isinstance(node, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = node.detach().cpu().contiguous().clone()
        return ["tensor", [name, _is_channels_last(node)]]
    if isinstance(node, dict):
        return [
            "map",
            [[_without_tensors(key, tensors), _without_tensors(value, tensors)] for key, value in node.items()],
        ]
    if isinstance(node, list | tuple):
        return [type(node).__name__, [_without_tensors(value, tensors) for value in node]]
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(f"A checkpoint cannot hold a {type(node).__name__}: {node!r}")


def _with_tensors(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(node, list):
        return node
    kind, content = node
    if kind == "tensor":
        name, channels_last = content
        # An optimizer's moments must lie in memory as its weights do: fused steps pair them element by element.
        return tensors[name].contiguous(memory_format=torch.channels_last) if channels_last else tensors[name]
    if kind == "map":
        return {_with_tensors(key, tensors): _with_tensors(value, tensors) for key, value in content}
    values = [_with_tensors(value, tensors) for value in content]
    return tuple(values) if kind == "tuple" else values
