"""Networks whose layers have other shapes than params.yaml says: kept as weights, and built again from these alone."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from components.contracts import Preprocessing
from components.files import read_json, whole_folder, write_bytes, write_json
from components.nets import Network, build_network
from components.params import Params
from components.params.sections import NetworkParams

ARCHITECTURE, WEIGHTS = "network.json", "weights.safetensors"


def kept_network(folder: Path, params: Params, fitted: Preprocessing, make: Callable[[], Network]) -> Network:
    """The network that a folder holds; if there is none yet, it is made and kept there, whole or not at all.

    Args:
        folder: of one network.
        params: with what the network was before its layers were changed as ``train.network``.
        fitted: what was fitted on the training split.
        make: makes it.
    """
    if not folder.exists():
        save_network(make(), params.train.network, folder)
    return load_network(folder, params, fitted)


def save_network(network: Network, architecture: NetworkParams, folder: Path) -> None:
    """Writes what :func:`load_network` reads."""
    weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    with whole_folder(folder) as fresh:
        write_bytes(fresh / WEIGHTS, save(weights))
        write_json(fresh / ARCHITECTURE, architecture.model_dump(mode="json"))


def kept_params(folder: Path, params: Params) -> Params:
    """params.yaml with the network that a kept one was before its layers were changed: its own, or a student's."""
    given = params.train.model_dump(mode="json") | {"network": read_json(folder / ARCHITECTURE)}
    return with_network(params, type(params.train).model_validate(given).network)


def with_network(params: Params, network: NetworkParams) -> Params:
    """params.yaml with another ``train.network``, which is trained as that would be."""
    return params.model_copy(update={"train": params.train.model_copy(update={"network": network})})


def load_network(folder: Path, params: Params, fitted: Preprocessing) -> Network:
    """Builds a kept network, in evaluation mode."""
    return network_of(load_file(folder / WEIGHTS), kept_params(folder, params), fitted)


def network_of(weights: Mapping[str, Tensor], params: Params, fitted: Preprocessing) -> Network:
    """The network that some weights are of, in evaluation mode; ``train.network`` says what it was at first."""
    network = build_network(params.train, fitted.inputs, fitted.target.width)
    take_shapes(network, weights)
    network.eval()
    return network


def take_shapes(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Gives a network the layers that some weights are of, and these weights.

    A dense layer that the weights have as two is made two; every other differs in its numbers of channels alone.
    """
    while _split_layers(network, weights):
        pass
    for name, layer in network.named_modules():
        own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
        shapes = {part: weights[f"{name}.{part}"].shape for part, _ in own if f"{name}.{part}" in weights}
        changed = [part for part, value in own if shapes.get(part, value.shape) != value.shape]
        for part in changed:
            resize(layer, part, shapes[part])
        if changed:
            count_channels(layer)
    network.load_state_dict(dict(weights))
    network.body.features = network.features = features_of(network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's overloads


def _split_layers(network: Network, weights: Mapping[str, Tensor]) -> bool:
    """Makes two of each dense layer that the weights have as two; whether there were any, which may be two again."""
    found = [
        (name, layer)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and any(key.startswith(f"{name}.0.") for key in weights)
    ]
    for name, layer in found:
        pair = two_layers(layer, _rank(weights, name))
        network.set_submodule(name, nn.Sequential(*pair))
    return bool(found)


def _rank(weights: Mapping[str, Tensor], name: str) -> int:
    """Width between the two layers that stand for one, where the second may be two as well."""
    while f"{name}.1.weight" not in weights:
        name += ".1"
        if f"{name}.0.weight" in weights:
            return weights[f"{name}.0.weight"].shape[1]
    return weights[f"{name}.1.weight"].shape[1]


def two_layers(layer: nn.Linear, rank: int) -> tuple[nn.Linear, nn.Linear]:
    """Two dense layers for one, with weights that are still to come."""
    has_bias = layer.bias is not None
    return nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, has_bias)


def resize(layer: nn.Module, part: str, shape: torch.Size) -> None:
    """Gives a weight or statistic of a layer another shape, and zeros."""
    if part in layer._parameters:
        setattr(layer, part, nn.Parameter(torch.zeros(shape)))
    else:
        setattr(layer, part, torch.zeros(shape, dtype=layer.get_buffer(part).dtype))


def count_channels(layer: nn.Module) -> None:
    """Makes what a layer says of its channels true of its weights, whose shape has changed."""
    match layer:
        case nn.Conv2d():
            if layer.groups > 1:  # whole groups have gone
                layer.groups = len(layer.weight) * layer.groups // layer.out_channels
            layer.out_channels, layer.in_channels = len(layer.weight), layer.weight.shape[1] * layer.groups
        case nn.Linear():
            layer.out_features, layer.in_features = layer.weight.shape
        case nn.BatchNorm2d():
            layer.num_features = len(layer.weight)
        case nn.LayerNorm():
            layer.normalized_shape = tuple(layer.weight.shape)


def features_of(network: Network) -> int:
    """Width of the features that the head takes, whether it is one layer or two."""
    return next(layer.in_features for layer in network.head.modules() if isinstance(layer, nn.Linear))
