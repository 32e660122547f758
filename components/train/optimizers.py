"""From the section ``train.optimizer`` to torch's classes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from components.nets import Network
from components.params.sections import (
    AdamParams,
    AdamWParams,
    PretrainedParams,
    RmspropParams,
    SgdParams,
    TrainParams,
)


def build_optimizer(train: TrainParams, network: Network) -> Optimizer:
    """The optimizer over all weights of a network; biases and normalisation are never decayed.

    Args:
        train: of it the optimizer, the rate of a pretrained backbone, and what allows for a fused step.
        network: whose weights are optimised.
    """
    params, fused = train.optimizer, _fuses(train)
    groups = parameter_groups(train, network)
    match params:
        case SgdParams():
            return SGD(groups, lr=params.learning_rate, momentum=params.momentum, nesterov=params.nesterov, fused=fused)
        case RmspropParams():
            return RMSprop(groups, lr=params.learning_rate, alpha=params.smoothing, momentum=params.momentum)
        case AdamParams():
            return Adam(groups, lr=params.learning_rate, betas=(params.beta1, params.beta2), fused=fused)
        case AdamWParams():
            return AdamW(groups, lr=params.learning_rate, betas=(params.beta1, params.beta2), fused=fused)


def _fuses(train: TrainParams) -> bool:
    """Whether a step may be one kernel.

    Lightning clips no gradients of such an optimizer in mixed precision, and SGD's kernel takes no shards.
    """
    clips = train.gradient_clip.norm > 0 or train.gradient_clip.value > 0
    takes = train.strategy != "fsdp" or train.optimizer.name != "sgd"
    return takes and not (clips and train.precision != "32-true")


def parameter_groups(train: TrainParams, network: Network) -> list[dict[str, Any]]:
    """Weights with decay and without it; those of a pretrained backbone apart, at a learning rate of their own.

    A backbone that is frozen now is among them: it is only its gradient that is missing.
    """
    decay = getattr(train.optimizer, "weight_decay", 0.0)
    backbone = {id(weight) for weight in network.backbone.parameters()} if network.backbone is not None else set()
    own = [weight for weight in network.parameters() if id(weight) not in backbone]
    groups = _by_decay(own, decay, train.optimizer.learning_rate)
    if network.backbone is not None and isinstance(train.network, PretrainedParams):
        rate = train.optimizer.learning_rate * train.network.backbone_rate
        groups += _by_decay(list(network.backbone.parameters()), decay, rate)
    return groups


def _by_decay(weights: Sequence[Tensor], decay: float, rate: float) -> list[dict[str, Any]]:
    split = {
        decay: [weight for weight in weights if decaying(weight)],
        None: [weight for weight in weights if not decaying(weight)],
    }
    return [{"params": chosen, "weight_decay": share or 0.0, "lr": rate} for share, chosen in split.items() if chosen]


def decaying(weight: Tensor) -> bool:
    """Whether weight decay and penalties apply: to matrices and kernels, not to biases and normalisation (vectors)."""
    return weight.ndim > 1
