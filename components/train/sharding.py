"""Fully sharded data parallelism (FSDP2): every process keeps a part of each weight, and of what the optimizer knows.

Zhao et al. 2023 (arXiv:2304.11277), as ``torch.distributed.fsdp.fully_shard`` does it. A block of the network is put
together only while it is computed, forwards and backwards; each gradient is the mean over the processes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer


class FullySharded(ModelParallelStrategy):
    """Lightning's strategy of FSDP2, with the same checkpoints as every other one.

    A checkpoint is one file of whole tensors that the first process writes and each process reads. Lightning's own
    loading is by ``torch.load``, a pickle.
    """

    def __init__(self, devices: int) -> None:
        super().__init__(data_parallel_size=devices, tensor_parallel_size=1, save_distributed_checkpoint=False)

    @property
    def lightning_restore_optimizer(self) -> bool:
        """The optimizer is restored by :meth:`load_optimizer_state_dict`, not while the file is read."""
        return True

    def on_validation_start(self) -> None:
        """Gives every process the buffers of the first one, which are those that are saved, as DDP does.

        Statistics of batch normalisation come from the batches of a process alone, so they differ.
        """
        for buffer in cast(nn.Module, self.model).buffers():
            torch.distributed.broadcast(buffer, src=0)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The whole state, in the memory of the first process; every process must ask."""
        found = optimizer.state_dict()
        states = {
            number: {name: self._gathered(value) for name, value in state.items()}
            for number, state in found["state"].items()
        }
        return {**found, "state": states}

    def _gathered(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        gathered = whole(value)
        return gathered.cpu() if self.is_global_zero else None

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Reads the file, all of it, in every process."""
        return self.checkpoint_io.load_checkpoint(checkpoint_path, weights_only=weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Takes this process's part of each weight."""
        options = StateDictOptions(full_state_dict=True, strict=strict)
        set_model_state_dict(cast(nn.Module, self.model), dict(checkpoint["state_dict"]), options=options)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes this process's part of each moment."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            states = {
                number: {name: _as_spread(value, weights[number]) for name, value in moments.items()}
                for number, moments in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": states})


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Leaves this process its part of each weight; the network answers as before, when all processes ask together.

    Args:
        network: changed in place; it has the same weights in every process. A block of its own is what
            :func:`blocks` finds, and all that is left is one more.
        mesh: (processes,) those that share it, and their kind of device.
    """
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # missing in torch's overloads
    for block in blocks(network):
        fully_shard(block, mesh=mesh, reshard_after_forward=True)
    fully_shard(network, mesh=mesh, reshard_after_forward=True)


def blocks(network: nn.Module) -> Iterator[nn.Module]:
    """The outermost elements with a matrix of the lists and sequences of a network: layers, or blocks of layers."""
    for child in network.children():
        is_list = isinstance(network, nn.ModuleList | nn.Sequential) and not isinstance(child, nn.ModuleList)
        if is_list and any(weight.ndim > 1 for weight in child.parameters()):
            yield child
        else:
            yield from blocks(child)


def whole(value: Tensor) -> Tensor:
    """The whole tensor where a process has a part of it; every process must ask."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def own_part(value: Tensor) -> Tensor:
    """What this process has of a tensor, in the same memory: all of it, where it is not shared. Gradients pass."""
    return value.to_local() if isinstance(value, DTensor) else value


def _as_spread(value: Any, weight: Tensor) -> Any:
    """A moment, spread over the processes as its weight is; what is no moment (a number of steps) stays whole."""
    if not isinstance(value, Tensor) or not isinstance(weight, DTensor) or value.shape != weight.shape:
        return value
    # A copy: the part is a view, and would keep the whole in memory.
    return distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None).clone()
