"""Techniques that train. Apart, as Lightning takes seconds to import, and many lines have none of these."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from components.compress.channel_pruning import prune_iteratively
from components.compress.distillation import Distilled
from components.compress.low_rank import factorise
from components.compress.magnitude_pruning import prune_magnitudes
from components.compress.rounding import start_rounding, stop_rounding
from components.compress.training import train_network
from components.params.sections import (
    FP32,
    ChannelPruningParams,
    DistillationParams,
    LowRankParams,
    MagnitudePruningParams,
    QuantizationAwareParams,
)
from components.train.learner import Learner

if TYPE_CHECKING:
    from components.compress.techniques import Techniques
    from components.nets import Network
    from components.params.sections import NetworkParams, TechniqueParams


def change_network(techniques: Techniques, name: str, technique: TechniqueParams) -> tuple[Network, NetworkParams]:
    """Makes the network of a variant from that of the variant that it starts from.

    Args:
        techniques: of the line.
        name: of the variant.
        technique: that of it.

    Returns:
        The network, and what it was before its layers were changed.

    Raises:
        TrainingError: the training diverged.
        CompressionError: the technique cannot do it.
    """
    network, params = techniques.network(technique.of)
    fitted, state = techniques.fitted, techniques.shelf.state(name)
    match technique:
        case MagnitudePruningParams():
            network = prune_magnitudes(network, technique, params, fitted, state)
        case ChannelPruningParams():
            network = prune_iteratively(network, technique, params, fitted, state, techniques.example())
        case LowRankParams():
            factorise(network, technique.energy)
            network = train_network(params, technique, fitted, state, partial(Learner, network=network))
        case QuantizationAwareParams():
            start_rounding(network)
            network = train_network(params, technique, fitted, state, partial(Learner, network=network))
            stop_rounding(network)
        case DistillationParams():
            student, params = techniques.student(name, technique, network, params)
            teacher = techniques.network(FP32)[0]
            build = partial(Distilled, student=student, teacher=teacher, technique=technique)
            network = train_network(params, technique, fitted, state, build)
    return network, params.train.network
