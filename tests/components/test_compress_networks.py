"""What the techniques do to the weights of networks of every kind, before anything is trained."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from components.compress.channel_pruning import channels_of, prune_channels, prune_round
from components.compress.graph import described
from components.compress.low_rank import factorise, rank_of
from components.compress.magnitude_pruning import apply_masks, prunable, smallest_masks, sparsity_at
from components.compress.networks import take_shapes
from components.compress.rounding import start_rounding, stop_rounding
from components.contracts import ClassTarget, Graph, Inputs
from components.errors import CompressionError
from components.export import ServedNetwork, export_onnx
from components.inference import answers, open_graph
from components.nets import Network, build_preprocess, count_parameters
from components.params.sections import ChannelPruningParams, MagnitudePruningParams, NetworkParams, ResnetParams
from tests.components.nets_samples import NETWORKS, network, raw_samples
from tests.components.pretrained_samples import IMAGES, TEXTS, models, pretrained

TARGET = ClassTarget(labels=("a", "b", "c"), counts=(1, 1, 1))
TRAINING_TIME = {"Dropout", "Bernoulli", "RandomUniform", "QuantizeLinear", "DequantizeLinear", "Loop", "Scan", "If"}
LARGE = ("mobilenet_v2", "efficientnet_lite0")
EVERY = [
    pytest.param(*each, id=name, marks=[pytest.mark.slow] if name in LARGE else []) for name, each in NETWORKS.items()
]
PRUNABLE = [each for each in EVERY if each.id not in ("lstm", "gru")]
EXPORTED = ("mlp on rows", "cnn", "lstm", "transformer")
"""One for each kind of layers, since writing a graph takes seconds."""


def example(inputs: Inputs) -> torch.Tensor:
    return build_preprocess(inputs)(raw_samples(inputs, 2))  # type: ignore[no-any-return]


def exported(changed: Network, inputs: Inputs, folder: Path) -> Path:
    """The graph of a network, whose answers are the network's."""
    served = ServedNetwork(build_preprocess(inputs), changed, TARGET).eval()
    samples = raw_samples(inputs, 8)
    export_onnx(served, samples.numpy(), folder / "graph.onnx")
    found = answers(open_graph(folder / "graph.onnx"), samples.numpy())
    np.testing.assert_allclose(found, served(samples)[0].detach().numpy(), atol=1e-5)
    return folder / "graph.onnx"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[NetworkParams, Inputs], Graph]:
    """Measures the graph of a network of which nothing was taken; that of each is written once."""
    known: dict[str, Graph] = {}

    def measured(params: NetworkParams, inputs: Inputs) -> Graph:
        key = f"{params}{inputs}"
        if key not in known:
            graph = exported(network(params, inputs), inputs, tmp_path_factory.mktemp("whole"))
            known[key] = described(graph, raw_samples(inputs, 8)[5:6].numpy())
        return known[key]

    return measured


def rebuilt(changed: Network, params: NetworkParams, inputs: Inputs) -> Network:
    """The same network, built from its weights alone."""
    again = network(params, inputs)
    take_shapes(again, {name: value.clone() for name, value in changed.state_dict().items()})
    again.eval()
    with torch.no_grad():
        assert torch.equal(again(example(inputs)), changed.eval()(example(inputs)))
    return again


@pytest.mark.parametrize(("params", "inputs"), PRUNABLE)
def test_pruned_channels_make_tensors_smaller(
    params: NetworkParams, inputs: Inputs, whole: Callable[[NetworkParams, Inputs], Graph], tmp_path: Path
) -> None:
    before = whole(params, inputs)
    pruned = network(params, inputs)
    prune_channels(pruned, 0.4, 1, example(inputs))
    graph = exported(rebuilt(pruned, params, inputs), inputs, tmp_path)
    left = described(graph, raw_samples(inputs, 8)[5:6].numpy())
    assert left.parameters < 0.97 * before.parameters
    assert left.multiply_adds < 0.97 * before.multiply_adds
    assert left.bytes < before.bytes
    assert not TRAINING_TIME & {node.op_type for node in onnx.load(graph).graph.node}


def test_what_is_left_of_a_layer_is_a_multiple() -> None:
    params, inputs = NETWORKS["mlp on images"]
    pruned = network(params, inputs)
    prune_channels(pruned, 0.3, 4, example(inputs))
    widths = [len(weight) for weight in pruned.body.parameters() if weight.ndim > 1]
    assert all(width % 4 == 0 for width in widths)
    assert sum(widths) < 48
    assert pruned.features == pruned.body.features == pruned.head.in_features == widths[-1]


def test_where_nothing_can_go_it_is_told() -> None:
    params, inputs = NETWORKS["cnn"]
    with pytest.raises(CompressionError, match="finds no channels that could go"):
        prune_channels(network(params, inputs), 0.05, 64, example(inputs))


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_the_share_is_the_same_in_however_many_rounds(rounds: int) -> None:
    params, inputs = (
        ResnetParams(name="resnet", widths=(16, 32, 64), blocks=(1, 1, 1), stem_stride=1, activation="relu", dropout=0),
        NETWORKS["resnet"][1],
    )
    pruned = network(params, inputs)
    technique = ChannelPruningParams(
        of="fp32", name="channel_pruning", share=0.4, rounds=rounds, multiple_of=8, epochs=1, learning_rate=0.1
    )
    whole = channels_of(pruned)
    for number in range(1, rounds + 1):
        prune_round(pruned, number, whole, technique, example(inputs))
    left = [layer.out_channels for layer in pruned.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert all(channels % 8 == 0 for channels in left)
    assert 0.4 <= 1 - channels_of(pruned) / whole <= 0.5


def test_grouped_convolutions_keep_their_groups() -> None:
    params, inputs = NETWORKS["cnn"]
    grouped = network(params, inputs)
    grouped.body.convolutions[4] = torch.nn.Conv2d(8, 16, 3, groups=2, bias=False)
    again = network(params, inputs)
    again.body.convolutions[4] = torch.nn.Conv2d(8, 16, 3, groups=2, bias=False)
    take_shapes(again, grouped.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(example(inputs)), grouped.eval()(example(inputs)))


def test_a_factorised_network_may_be_factorised_again() -> None:
    params, inputs = NETWORKS["mlp on images"]
    thin = network(params, inputs)
    for energy in (0.9, 0.6, 0.5):
        factorise(thin, energy)
        rebuilt(thin, params, inputs)


@pytest.mark.parametrize("name", EXPORTED)
def test_sparsity_is_what_the_exported_file_has(
    name: str, whole: Callable[[NetworkParams, Inputs], Graph], tmp_path: Path
) -> None:
    params, inputs = NETWORKS[name]
    pruned = network(params, inputs)
    weights = prunable(pruned)
    before = whole(params, inputs)
    apply_masks(pruned, smallest_masks(weights, 0.7))
    sparse = described(exported(pruned, inputs, tmp_path), raw_samples(inputs, 8)[5:6].numpy())
    count = sum(weight.numel() for weight in weights.values())
    lost = before.nonzero_parameters - sparse.nonzero_parameters
    assert lost == pytest.approx(0.7 * count, rel=0.03), "random starts of recurrent layers hold zeros of their own"
    assert sparse.deflated_bytes < before.deflated_bytes


def test_the_smallest_weights_of_all_layers_go() -> None:
    weights = {"a": torch.tensor([[0.1, -5.0], [3.0, 0.2]]), "b": torch.tensor([[0.05, -0.3]])}
    masks = smallest_masks(weights, 0.5)
    assert masks["a"].tolist() == [[0, 1], [1, 0]]
    assert masks["b"].tolist() == [[0, 1]]
    assert sum(int((mask == 0).sum()) for mask in smallest_masks({"a": torch.ones(1, 10)}, 0.35).values()) == 3


def test_the_sparsity_follows_the_formula_of_the_paper() -> None:
    params = MagnitudePruningParams(
        of="fp32", name="magnitude_pruning", initial_sparsity=0.2, sparsity=0.9, ramp_share=0.5, every_steps=1,
        epochs=1, learning_rate=0.1,
    )  # fmt: skip
    for step in range(120):
        t = min(step, 100)
        assert sparsity_at(step, 100, params) == pytest.approx(0.9 + (0.2 - 0.9) * (1 - t / 100) ** 3)
    assert sparsity_at(0, 100, params) == pytest.approx(0.2)
    assert sparsity_at(5, 0, params) == pytest.approx(0.9)


@pytest.mark.parametrize(("params", "inputs"), EVERY)
def test_a_factorised_network_is_built_again_from_its_weights(
    params: NetworkParams, inputs: Inputs, tmp_path: Path
) -> None:
    full, thin = network(params, inputs), network(params, inputs)
    factorise(thin, 0.5)
    assert count_parameters(thin) < count_parameters(full)
    again = rebuilt(thin, params, inputs)
    if (params, inputs) in [NETWORKS[name] for name in EXPORTED]:
        exported(again, inputs, tmp_path)


def test_a_factorisation_is_the_best_of_its_rank() -> None:
    params, inputs = NETWORKS["mlp on images"]
    thin = network(params, inputs)
    layer = thin.body.dense[0]
    weight = layer.weight.detach().clone()
    factorise(thin, 0.6)
    first, second = thin.body.dense[0]
    found = second.weight @ first.weight
    singular = torch.linalg.svdvals(weight)
    left_out = float((singular[len(first.weight) :] ** 2).sum())
    assert float(torch.dist(found.detach(), weight)) ** 2 == pytest.approx(left_out, rel=1e-3)


def test_a_rank_keeps_the_energy_that_is_asked_for() -> None:
    singular = torch.tensor([3.0, 2.0, 1.0])  # squares 9, 4, 1 of 14
    assert [rank_of(singular, energy) for energy in (0.1, 0.64, 0.65, 0.93, 0.99)] == [1, 1, 2, 3, 3]


def test_where_no_layer_becomes_smaller_it_is_told() -> None:
    params, inputs = NETWORKS["mlp on rows"]
    with pytest.raises(CompressionError, match="low_rank finds no dense layer"):
        factorise(network(params, inputs), 0.999999)


@pytest.mark.parametrize("name", ["cnn", "vit", "lstm"])
def test_layers_that_round_are_plain_again_afterwards(name: str, tmp_path: Path) -> None:
    params, inputs = NETWORKS[name]
    rounding = network(params, inputs)
    before = rounding.eval()(example(inputs))
    start_rounding(rounding)
    rounding.train()
    rounding(example(inputs)).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in rounding.head.parameters())
    rounding.eval()
    rounded = rounding(example(inputs))
    stop_rounding(rounding)
    assert rounding.state_dict().keys() == network(params, inputs).state_dict().keys()
    assert not torch.equal(rounded, before), "it was rounded"
    graph = exported(rounding, inputs, tmp_path)
    assert not TRAINING_TIME & {node.op_type for node in onnx.load(graph).graph.node}


def test_a_rounded_layer_answers_as_the_quantized_graph_does() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Linear(8, 4))
    start_rounding(layer)
    given = torch.randn(64, 8)
    layer.train()(given)
    found = layer.eval()(given)
    plain = layer[0]
    low, high = min(0.0, float(given.min())), max(0.0, float(given.max()))
    step, scale = (high - low) / 255, plain.weight.abs().amax(dim=1, keepdim=True) / 127
    zero = round(-low / step)
    activations = ((given / step).round() + zero).clamp(0, 255).sub(zero) * step
    weights = (plain.weight / scale).round().clamp(-127, 127) * scale
    torch.testing.assert_close(found, activations @ weights.T + plain.bias, atol=1e-4, rtol=1e-4)


def less_of(changed: Network, technique: str, inputs: Inputs) -> None:
    """Does to the weights of a network what a technique does before it trains."""
    match technique:
        case "channel_pruning":
            prune_channels(changed, 0.4, 1, example(inputs))
        case "low_rank":
            factorise(changed, 0.6)
        case "magnitude_pruning":
            apply_masks(changed, smallest_masks(prunable(changed), 0.5))
        case "quantization_aware_training":
            start_rounding(changed)
            changed.train()(example(inputs))
            stop_rounding(changed.eval())


@pytest.mark.parametrize(
    "technique", ["channel_pruning", "low_rank", "magnitude_pruning", "quantization_aware_training"]
)
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet", "vit", "distilbert", "deberta", "bert"])
def test_every_technique_takes_pretrained_backbones(name: str, technique: str, tmp_path: Path) -> None:
    inputs: Inputs = IMAGES if name in ("mobilenet_v2", "resnet", "vit") else TEXTS
    models()[name].save_pretrained(tmp_path / name)
    changed, whole = pretrained(tmp_path / name, inputs), pretrained(tmp_path / name, inputs)
    before = count_parameters(changed)
    less_of(changed, technique, inputs)
    if technique in ("channel_pruning", "low_rank"):
        assert count_parameters(changed) < before
    if technique == "channel_pruning":  # a graph of its own; others lose no shape, or lose it in dense layers alone
        exported(changed, inputs, tmp_path)
    if technique == "magnitude_pruning":
        zeros = sum(int((weight == 0).sum()) for weight in prunable(changed).values())
        assert zeros == sum(weight.numel() for weight in prunable(changed).values()) // 2
    take_shapes(whole, changed.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(whole.eval()(example(inputs)), changed.eval()(example(inputs)))
