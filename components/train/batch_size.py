"""The batch size: as params.yaml has it, or the largest power of two that memory holds."""

from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from components.contracts import PREPARED, LabelledArrays, Preprocessing
from components.files import read_json, write_json
from components.nets import build_network, build_preprocess
from components.params import Params
from components.params.sections import TrainParams
from components.train.losses import build_loss

FOUND = "batch_size.json"
"""File beside the checkpoints: a resumed training takes the same size."""
PROBE = 16
LARGEST = 2**16
MEMORY_SHARE = 0.5
"""Of the memory that is free, that a step may take: the optimizer, the system and other processes need some, too."""
STEPS_AN_EPOCH = 16
"""An epoch has this many steps at least: fewer would not train."""
CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells a container its own limit (cgroups, version 2)."""


def resolve_batch_size(params: Params, fitted: Preprocessing, state: Path) -> int:
    """The number itself, or what ``auto`` comes to here; found once for a training, and kept with its checkpoints."""
    asked = params.train.batch_size
    if asked != "auto":
        return asked
    if not (state / FOUND).exists():
        size = find_batch_size(params, fitted)
        print(f"Batch size {size}: the largest power of two that fits.", flush=True)
        write_json(state / FOUND, {"batch_size": size})
    return int(read_json(state / FOUND)["batch_size"])


def find_batch_size(params: Params, fitted: Preprocessing) -> int:
    """The largest power of two whose training step takes at most half of the free memory of the device."""
    on_gpu = params.train.accelerator != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    samples = LabelledArrays.load(PREPARED / "train")
    each = bytes_per_sample(params.train, fitted, samples, device)
    sharing = 1 if on_gpu else params.train.devices
    return largest_batch(each, free_memory(device) // sharing, len(samples.labels) // params.train.devices)


def largest_batch(bytes_each: float, free: int, samples: int) -> int:
    """The largest power of two that keeps within the share of memory, and leaves an epoch its steps; at least 1.

    Args:
        bytes_each: what a step takes for each sample.
        free: memory of the device, in bytes.
        samples: of an epoch, on each device.
    """
    fits = int(free * MEMORY_SHARE / max(1.0, bytes_each))
    most = max(1, min(fits, LARGEST, samples // STEPS_AN_EPOCH))
    return int(2 ** (most.bit_length() - 1))


def free_memory(device: torch.device, cgroup: Path = CGROUP) -> int:
    """Bytes that this process may still take: of the device, and of the container that it runs in."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    free = int(psutil.virtual_memory().available)
    limit, used = cgroup / "memory.max", cgroup / "memory.current"
    if limit.exists() and (allowed := limit.read_text().strip()) != "max":
        free = min(free, max(0, int(allowed) - int(used.read_text())))
    return free


def bytes_per_sample(train: TrainParams, fitted: Preprocessing, samples: LabelledArrays, device: torch.device) -> float:
    """What a training step keeps of each sample for its backward pass, measured on a small batch.

    The activations that autograd saves, each memory counted once; twice that is what a step needs at its peak, since
    gradients of activations come on top.
    """
    saved: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    network = build_network(train, fitted.inputs, fitted.target.width).to(device)
    preprocess, loss = build_preprocess(fitted.inputs).to(device), build_loss(train.loss, fitted.target).to(device)
    count = min(PROBE, len(samples.labels))
    raw = torch.from_numpy(np.array(samples.inputs[:count])).to(device)
    labels = torch.from_numpy(np.array(samples.labels[:count])).to(device)
    own = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss(network(preprocess(raw)), labels)
    activations = (tensor.untyped_storage().nbytes() for place, tensor in saved.items() if place not in own)
    return 2 * sum(activations) / count
