"""Unstructured pruning by magnitude, ever more of it while the network is trained on.

Zhu & Gupta 2017, "To prune, or not to prune" (arXiv:1710.01878); known from Keras as prune_low_magnitude with
PolynomialDecay.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from components.compress.training import train_network
from components.contracts import Preprocessing
from components.nets import Network
from components.params import Params
from components.params.sections import MagnitudePruningParams, NoAveraging
from components.train.learner import Learner

Masks = Mapping[str, Tensor]


def sparsity_at(step: int, ramp: int, params: MagnitudePruningParams) -> float:
    """Share of zeros at a step: s_f + (s_i - s_f) (1 - t / T)³, equation 1 of section 3; s_f from T on.

    Args:
        step: t, from 0.
        ramp: T, steps in which the sparsity rises.
        params: of them s_i and s_f, the initial and the final sparsity.
    """
    left = max(0.0, 1 - step / max(1, ramp))
    return params.sparsity + (params.initial_sparsity - params.sparsity) * left**3


def prunable(network: nn.Module) -> dict[str, Tensor]:
    """Matrices and kernels by name; embeddings of tokens and positions, biases and normalisation are left alone."""
    layers = (nn.Linear, nn.Conv2d, nn.RNNBase)
    return {
        f"{name}.{part}": weight
        for name, layer in network.named_modules()
        if isinstance(layer, layers)
        for part, weight in layer.named_parameters(recurse=False)
        if weight.ndim > 1
    }


@torch.no_grad()
def smallest_masks(weights: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """What is kept, 1, and what is not, 0: over all weights together, the share of the smallest is not.

    Exactly so many, rounded down, are zero: among weights of the same size the first in the order of the layers go.
    """
    sizes = torch.cat([weight.abs().flatten() for weight in weights.values()])
    kept = torch.ones_like(sizes)
    kept[sizes.argsort(stable=True)[: int(sparsity * len(sizes))]] = 0
    parts = torch.split(kept, [weight.numel() for weight in weights.values()])
    return {name: part.view_as(weight) for (name, weight), part in zip(weights.items(), parts, strict=True)}


@torch.no_grad()
def apply_masks(network: nn.Module, masks: Masks) -> None:
    """Makes zero what is not kept."""
    for name, weight in prunable(network).items():
        weight.mul_(masks[name].to(weight.device))


class GradualPruning(Callback):
    """Chooses anew what is zero every so many steps, and keeps it zero in between.

    Attributes:
        masks: what is kept; part of every checkpoint, so that a killed training goes on with the same.
    """

    def __init__(self, params: MagnitudePruningParams) -> None:
        self.params = params
        self.masks: dict[str, Tensor] = {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After an optimizer step."""
        learner = cast(Learner, pl_module)
        step, ramp = trainer.global_step, int(self.params.ramp_share * learner.steps)
        if not self.masks or step % self.params.every_steps == 0 or step == learner.steps:
            weights = prunable(learner.network)
            self.masks = smallest_masks(weights, sparsity_at(step, ramp, self.params))
        apply_masks(learner.network, self.masks)

    def state_dict(self) -> dict[str, Any]:
        """The masks so far."""
        return {"masks": self.masks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the masks of a checkpoint."""
        self.masks = dict(state_dict["masks"])


def prune_magnitudes(
    network: Network, technique: MagnitudePruningParams, params: Params, fitted: Preprocessing, state: Path
) -> Network:
    """The network with the smallest of its weights at zero, trained on while they went.

    Raises:
        TrainingError: the training diverged.
    """
    # A mean over the steps still has something of what has become zero, and normalises by what that gave.
    plain = params.model_copy(update={"train": params.train.model_copy(update={"averaging": NoAveraging(name="none")})})
    return train_network(
        plain, technique, fitted, state, partial(Learner, network=network), [GradualPruning(technique)]
    )
