"""From the sections ``train.optimizer``, ``train.schedule`` and ``train.loss`` to torch's classes."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from components.params.sections import (
    AdamWParams,
    ConstantParams,
    CosineParams,
    CrossEntropyParams,
    OneCycleParams,
    SgdParams,
)


def build_optimizer(params: AdamWParams | SgdParams, network: nn.Module, *, fused: bool = True) -> Optimizer:
    """The optimizer over all weights of a network; biases and normalisation are never decayed.

    Args:
        params: the ``train.optimizer`` section.
        network: whose weights are optimised.
        fused: one kernel a step; Lightning clips no gradients of such an optimizer in mixed precision.
    """
    groups = parameter_groups(network, params.weight_decay)
    if isinstance(params, AdamWParams):
        return AdamW(groups, lr=params.learning_rate, fused=fused)
    return SGD(groups, lr=params.learning_rate, momentum=params.momentum, nesterov=params.nesterov, fused=fused)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Two groups: matrices and kernels with weight decay; vectors (biases, normalisation) without."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trainable if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trainable if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def build_schedule(
    params: ConstantParams | CosineParams | OneCycleParams, optimizer: Optimizer, steps: int
) -> LRScheduler:
    """The learning rate over the steps of the whole training.

    Args:
        params: the ``train.schedule`` section.
        optimizer: whose learning rate is the peak.
        steps: optimizer steps of all epochs.
    """
    if isinstance(params, OneCycleParams):
        peak = [group["lr"] for group in optimizer.param_groups]
        # Torch divides by the steps of the rise less one, so that it must not be one step; nor may it be all of them.
        rise = min(max(2.0, params.warmup_share * steps), steps - 0.5)
        return OneCycleLR(optimizer, peak, total_steps=steps, pct_start=rise / steps)
    if isinstance(params, CosineParams):
        return CosineAnnealingLR(optimizer, T_max=steps)
    return LambdaLR(optimizer, _constant)


def _constant(step: int) -> float:
    return 1.0


def build_loss(params: CrossEntropyParams, class_counts: tuple[int, ...]) -> nn.Module:
    """Cross-entropy of logits (batch, classes) against classes (batch,).

    Balanced weights are samples / (classes × samples of the class), as scikit-learn computes them.
    """
    weight: Tensor | None = None
    if params.class_weights == "balanced":
        counts = np.asarray(class_counts)
        weight = torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)
    return nn.CrossEntropyLoss(weight=weight, label_smoothing=params.label_smoothing)
