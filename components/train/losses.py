"""From the section ``train.loss`` to a module, and the penalties of ``train.regularisation``."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 the name that every torch program gives it
from torch import Tensor, nn

from components.contracts import ClassTarget, Target
from components.errors import ParamsError
from components.params.sections import (
    CrossEntropyParams,
    ErrorParams,
    FocalParams,
    HuberParams,
    LossParams,
    RegularisationParams,
)
from components.train.optimizers import decaying
from components.train.sharding import own_part


class FocalLoss(nn.Module):
    """Mean of -w (1 - p)^gamma log p of the true class; Lin et al. 2017 (arXiv:1708.02002), equation 5.

    With weights the mean is weighted, as torch's cross-entropy does it.
    """

    weight: Tensor | None

    def __init__(self, gamma: float, weight: Tensor | None) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(batch, classes) logits and (batch,) int64 classes -> ()."""
        log_p = F.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
        rest = (-log_p.expm1()).clamp_min(torch.finfo(log_p.dtype).tiny)  # at 0 the power has no gradient
        focused = -(rest**self.gamma) * log_p
        if self.weight is None:
            return focused.mean()
        weights = self.weight[labels]
        return (weights * focused).sum() / weights.sum()


def build_loss(params: LossParams, target: Target) -> nn.Module:
    """The loss of (batch, width) outputs of the network against (batch,) labels.

    Classes take logits and int64 labels; values take standardised values, (batch, 1), and standardised labels.

    Raises:
        ParamsError: the loss is not for such a target.
    """
    match params:
        case CrossEntropyParams() if isinstance(target, ClassTarget):
            weight = class_weights(params.class_weights, target)
            return nn.CrossEntropyLoss(weight=weight, label_smoothing=params.label_smoothing)
        case FocalParams() if isinstance(target, ClassTarget):
            return FocalLoss(params.gamma, class_weights(params.class_weights, target))
        case ErrorParams(name=name) if not isinstance(target, ClassTarget):
            return ValueLoss(nn.MSELoss() if name == "mse" else nn.L1Loss())
        case HuberParams() if not isinstance(target, ClassTarget):
            return ValueLoss(nn.HuberLoss(delta=params.delta))
    raise ParamsError(f"train.loss: {params.name} is not for {target.kind}.")


class ValueLoss(nn.Module):
    """A loss of values: the network's outputs are (batch, 1), the labels (batch,)."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, values: Tensor, labels: Tensor) -> Tensor:
        """() in squared or plain deviations of the target."""
        loss: Tensor = self.loss(values[:, 0], labels)
        return loss


def class_weights(rule: str, target: ClassTarget) -> Tensor | None:
    """Balanced weights: samples / (classes × samples of the class), as scikit-learn computes them; (classes,)."""
    if rule == "none":
        return None
    counts = np.maximum(np.asarray(target.counts), 1)
    return torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)


def penalty(params: RegularisationParams, network: nn.Module) -> Tensor | float:
    """l1 · Σ|w| + l2 / 2 · Σw² over the weights that decay; biases and normalisation are left out.

    Where processes share the weights it is the share of this one's parts: their gradient is that of the whole sum.
    """
    if not params.l1 and not params.l2:
        return 0.0
    weights = [own_part(weight) for weight in network.parameters() if weight.requires_grad and decaying(weight)]
    absolute = torch.stack([weight.abs().sum() for weight in weights]).sum()
    squared = torch.stack([weight.square().sum() for weight in weights]).sum()
    return params.l1 * absolute + params.l2 / 2 * squared
