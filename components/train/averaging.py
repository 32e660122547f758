"""Weights that are the mean of those that a training went through: what is then evaluated and exported."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.nets import Network
from components.params.sections import AveragingParams, EmaParams, SwaParams
from components.train.sharding import own_part

STATISTICS_BATCHES = 100
"""Batches that normalisation statistics are estimated on anew, at most."""


def build_average(params: AveragingParams, network: Network) -> Network | None:
    """A copy of the network that will hold the mean; None: there is none."""
    if isinstance(params, EmaParams | SwaParams):
        return copy.deepcopy(network).requires_grad_(False)
    return None


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Moves the average: average ← d · average + (1 - d) · weights, with d = min(decay, (1 + step) / (10 + step)).

    The bound keeps the first, random weights from lingering (as TensorFlow's ExponentialMovingAverage with
    num_updates). Normalisation statistics are averaged likewise; counters are copied.

    Args:
        average: changed in place.
        network: after an optimizer step.
        decay: of the section ``train.averaging``.
        step: number of that step, from 0.
    """
    _move(average, network, 1 - min(decay, (1 + step) / (10 + step)))


@torch.no_grad()
def update_swa(average: nn.Module, network: nn.Module, seen: int) -> None:
    """Moves the average: average ← average + (weights - average) / (seen + 1): the mean of all that were seen.

    Args:
        average: changed in place.
        network: after an epoch.
        seen: how many are in the mean already.
    """
    _move(average, network, 1 / (seen + 1))


def _move(average: nn.Module, network: nn.Module, share: float) -> None:
    averaged, current = ([own_part(value) for value in net.state_dict().values()] for net in (average, network))
    pairs = list(zip(averaged, current, strict=True))
    means, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
    torch._foreach_lerp_(means, values, share)
    for count, value in pairs:
        if not count.is_floating_point():
            count.copy_(value)


@torch.no_grad()
def estimate_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Normalisation statistics of averaged weights, as means over batches (Izmailov et al. 2018, section 3.2).

    The average of the statistics is not the statistic of the average, so they are estimated anew; a network without
    batch normalisation is left alone.

    Args:
        network: changed in place.
        batches: normalised inputs, each (batch, …), of samples in a random order.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    for batch in batches:
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def swa_starts(params: SwaParams, epochs: int) -> int:
    """The first epoch, from 0, whose weights are part of the mean; the last one always is."""
    return min(epochs - 1, int(params.start_share * epochs))
