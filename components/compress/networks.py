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


def kept_network(
    folder: Path, architecture: NetworkParams, params: Params, fitted: Preprocessing, make: Callable[[], Network]
) -> Network:
    """The network that a folder holds; if there is none yet, it is made and kept there, whole or not at all.

    Args:
        folder: of one network.
        architecture: what the network was before its layers were changed.
        params: the whole of params.yaml.
        fitted: what was fitted on the training split.
        make: makes it.
    """
    if not folder.exists():
        save_network(make(), architecture, folder)
    return load_network(folder, params, fitted)


def save_network(network: Network, architecture: NetworkParams, folder: Path) -> None:
    """Writes what :func:`load_network` reads."""
    weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    with whole_folder(folder) as fresh:
        write_bytes(fresh / WEIGHTS, save(weights))
        write_json(fresh / ARCHITECTURE, architecture.model_dump(mode="json"))


def kept_architecture(folder: Path, params: Params) -> NetworkParams:
    """What a kept network was before its layers were changed: ``train.network``, or that of a student."""
    given = params.train.model_dump(mode="json") | {"network": read_json(folder / ARCHITECTURE)}
    return type(params.train).model_validate(given).network


def load_network(folder: Path, params: Params, fitted: Preprocessing) -> Network:
    """Builds a kept network, in evaluation mode."""
    train = params.train.model_copy(update={"network": kept_architecture(folder, params)})
    network = build_network(train, fitted.inputs, fitted.target.width)
    take_shapes(network, load_file(folder / WEIGHTS))
    network.eval()
    return network


def take_shapes(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Gives a network the layers that some weights are of, and these weights.

    A dense layer that the weights have as two is made two; every other differs in its numbers of channels alone.
    """
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear) and f"{name}.0.weight" in weights:
            rank = len(weights[f"{name}.0.weight"])
            network.set_submodule(name, nn.Sequential(*two_layers(layer, rank)))
    for name, layer in network.named_modules():
        own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
        for part, value in own:
            wanted = weights.get(f"{name}.{part}" if name else part)
            if wanted is not None and wanted.shape != value.shape:
                resize(layer, part, wanted.shape)
        count_channels(layer)
    network.load_state_dict(dict(weights))
    network.body.features = network.features = features_of(network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's overloads


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
    """Makes what a layer says of its channels true of its weights."""
    match layer:
        case nn.Conv2d():
            layer.out_channels = len(layer.weight)
            if layer.groups > 1:  # depthwise: of each channel one
                layer.groups = len(layer.weight)
            layer.in_channels = layer.weight.shape[1] * layer.groups
        case nn.Linear():
            layer.out_features, layer.in_features = layer.weight.shape
        case nn.BatchNorm2d():
            layer.num_features = len(layer.weight)


def features_of(network: Network) -> int:
    """Width of the features that the head takes, whether it is one layer or two."""
    return next(layer.in_features for layer in network.head.modules() if isinstance(layer, nn.Linear))
