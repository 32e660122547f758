"""Structured pruning: channels and units that go from every layer that depends on them, so that tensors shrink.

The dependencies between layers are traced by torch-pruning (Fang et al. 2023, DepGraph, arXiv:2301.12900).
"""

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import torch_pruning
from torch import Tensor, nn

from components.compress.networks import features_of, kept_network, network_of
from components.compress.training import train_network
from components.contracts import Preprocessing
from components.errors import CompressionError
from components.nets import Network, count_parameters
from components.params import Params
from components.params.sections import ChannelPruningParams
from components.train.learner import Learner

MOST_OF_A_LAYER = 0.95
"""Share of the channels of one layer that may go: none is cut through."""


def prune_channels(network: Network, share: float, multiple_of: int, example: Tensor) -> None:
    """Takes the least important channels of all layers together: those of the smallest norm over all that depends.

    Left as they are: the outputs, and, in networks of attention, the width of a token and the heads; there the hidden
    units of the feed-forward parts go.

    Args:
        network: changed in place.
        share: of the channels of all layers.
        multiple_of: channels that a layer keeps are a multiple of so many.
        example: (batch, …) as the network takes it.

    Raises:
        CompressionError: there is nothing in this network that could go.
    """
    before = count_parameters(network)
    network.eval()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unwrapped parameters|Maximum recursive")  # positions: never pruned
        torch_pruning.pruner.BasePruner(
            network,
            example,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            global_pruning=True,
            pruning_ratio=share,
            max_pruning_ratio=MOST_OF_A_LAYER,
            round_to=multiple_of,
            ignored_layers=[network.head, *attention_layers(network)],
            in_channel_groups={},  # its defaults are shared between all pruners of a process
            out_channel_groups={},
            num_heads={},
        ).step()
    network.body.features = network.features = features_of(network)
    if count_parameters(network) == before:
        raise CompressionError(
            f"channel_pruning finds no channels that could go: layers keep multiples of {multiple_of}, and nothing is "
            "left of a smaller share. Lower multiple_of, or raise share"
        )


def attention_layers(network: nn.Module) -> Iterator[nn.Module]:
    """What decides the width of a token: the parts of attention, ours and those of transformers' models."""
    for module in network.modules():
        if "Attention" in type(module).__name__:
            yield from (layer for layer in module.modules() if isinstance(layer, nn.Linear))


def channels_of(network: Network) -> int:
    """Output channels of all layers that may lose some."""
    kept = {id(layer) for layer in (network.head, *attention_layers(network))}
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    return sum(len(layer.weight) for layer in layers if id(layer) not in kept)


def prune_round(network: Network, number: int, whole: int, technique: ChannelPruningParams, example: Tensor) -> None:
    """Takes what a round is to take: behind round k of n, (1 - share)^(k / n) of all channels are left.

    It is counted from what is really left: where layers keep multiples, a round takes more than it was to, and the next
    one less.

    Args:
        network: changed in place.
        number: of the round, from 1.
        whole: channels before the first round.
        technique: of it share, rounds and multiple.
        example: (batch, …) as the network takes it.

    Raises:
        CompressionError: there is nothing that could go.
    """
    wanted = whole * (1 - technique.share) ** (number / technique.rounds)
    share = 1 - wanted / channels_of(network)
    if share > 0:
        prune_channels(network, share, technique.multiple_of, example)


def prune_iteratively(
    network: Network,
    technique: ChannelPruningParams,
    params: Params,
    fitted: Preprocessing,
    state: Path,
    example: Tensor,
) -> Network:
    """Prunes and fine-tunes in rounds; a round that had ended before a kill is not made again.

    Raises:
        CompressionError: there is nothing that could go, or a layer of the network is of no known kind.
        TrainingError: a training diverged.
    """
    whole = channels_of(network)
    for number in range(1, technique.rounds + 1):

        def made(network: Network = network, number: int = number) -> Network:
            prune_round(network, number, whole, technique, example)
            require_whole(network, params, fitted, example)
            print(f"Round {number} of {technique.rounds}: {count_parameters(network):,} weights are left.", flush=True)
            build = partial(Learner, network=network)
            return train_network(params, technique, fitted, state / f"training_{number}", build)

        network = kept_network(state / f"round_{number}", params, fitted, made)
    return network


@torch.no_grad()
def require_whole(network: Network, params: Params, fitted: Preprocessing, example: Tensor) -> None:
    """Makes sure before hours of training that a pruned network answers, and can be built from its weights again.

    Raises:
        CompressionError: it does not, or cannot.
    """
    try:
        answered = network.eval()(example)
        again = network_of(network.state_dict(), params, fitted)(example)
    except (RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise CompressionError(f"channel_pruning left a layer of this network that does not fit: {said}") from error
    if not torch.allclose(answered, again, atol=1e-4):
        raise CompressionError("channel_pruning left a network that answers otherwise when it is built again")
