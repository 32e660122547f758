import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from components.nets.activation import ACTIVATIONS, GAINS, activation
from components.nets.initialisation import EMBEDDING_STD, Initialiser
from components.params.sections import (
    GruParams,
    LstmParams,
    MlpParams,
    MobileNetV2Params,
    NormalParams,
    ScaledParams,
    TransformerParams,
)
from tests.components.nets_samples import ATTENTION, IMAGES, RECURRENT, TEXTS, network

INPUTS, OUTPUTS = 400, 300
XAVIER, HE = 2 / (INPUTS + OUTPUTS), 1 / INPUTS
UNIT_VARIANCES = {"xavier_uniform": XAVIER, "xavier_normal": XAVIER, "he_uniform": HE, "he_normal": HE}


def scaled(rule: str) -> Initialiser:
    return Initialiser(ScaledParams(name=rule))


def variance(weight: Tensor) -> float:
    return float(weight.detach().square().mean())


@pytest.mark.parametrize("follower", GAINS)
@pytest.mark.parametrize("rule", UNIT_VARIANCES)
def test_variance_is_that_of_the_theory(rule: str, follower: str) -> None:
    torch.manual_seed(0)
    layer = scaled(rule)(nn.Linear(INPUTS, OUTPUTS), follower)
    expected = GAINS[follower] ** 2 * UNIT_VARIANCES[rule]
    assert variance(layer.weight) == pytest.approx(expected, rel=0.03)
    assert abs(layer.weight.mean()) < 0.01 * math.sqrt(expected)
    assert not layer.bias.any()
    largest = layer.weight.abs().max() / math.sqrt(expected)
    if rule.endswith("uniform"):
        assert 1.72 < largest <= math.sqrt(3) + 1e-5
    else:
        assert largest > 3.5


@pytest.mark.parametrize("follower", GAINS)
def test_orthogonal_rows_have_the_length_of_the_gain(follower: str) -> None:
    weight = scaled("orthogonal")(nn.Linear(INPUTS, OUTPUTS), follower).weight
    torch.testing.assert_close(weight @ weight.T, GAINS[follower] ** 2 * torch.eye(OUTPUTS), rtol=1e-4, atol=1e-4)


def test_normal_has_its_own_deviation_whatever_follows() -> None:
    torch.manual_seed(0)
    weight = Initialiser(NormalParams(name="normal", std=0.3))(nn.Linear(INPUTS, OUTPUTS), "relu").weight
    assert variance(weight) == pytest.approx(0.09, rel=0.03)


def test_a_kernel_counts_its_area_and_each_group_is_one_of_its_own() -> None:
    torch.manual_seed(0)
    kernel = scaled("xavier_normal")(nn.Conv2d(64, 128, 3), "relu").weight
    assert variance(kernel) == pytest.approx(2 * 2 / (9 * (64 + 128)), rel=0.03)
    depthwise = scaled("xavier_normal")(nn.Conv2d(2000, 2000, 3, groups=2000), "relu").weight
    assert variance(depthwise) == pytest.approx(2 * 2 / (9 + 9), rel=0.05)
    orthogonal = scaled("orthogonal")(nn.Conv2d(50, 50, 3, groups=50), "linear").weight.flatten(1)
    torch.testing.assert_close(orthogonal.square().sum(dim=1), torch.ones(50))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "silu"])
def test_gains_keep_the_second_moment(name: str) -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    values = activation(name)(torch.from_numpy(nodes)).numpy()
    second_moment = (weights * values**2).sum() / math.sqrt(2 * math.pi)
    assert GAINS[name] == pytest.approx(1 / math.sqrt(second_moment), rel=1e-3)


@pytest.mark.parametrize("rule", ["he_uniform", "he_normal", "orthogonal"])
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "silu"])
def test_a_layer_keeps_the_size_of_a_signal(rule: str, name: str) -> None:
    torch.manual_seed(0)
    layer, follower = scaled(rule)(nn.Linear(500, 500), name), activation(name)
    assert variance(layer(follower(torch.randn(500, 500)))) == pytest.approx(1, rel=0.05)


def test_every_activation_of_the_params_has_a_gain() -> None:
    assert set(GAINS) == {"linear", *ACTIVATIONS}


def test_hidden_layers_get_the_gain_of_their_activation_and_the_head_none() -> None:
    params = MlpParams(name="mlp", dense=(200, 300), activation="relu", dropout=0)
    net = network(params, IMAGES, outputs=250)
    hidden = [layer for layer in net.body.dense if isinstance(layer, nn.Linear)]
    for layer, gain in [*((layer, GAINS["relu"]) for layer in hidden), (net.head, 1)]:
        assert variance(layer.weight) == pytest.approx(gain**2 / layer.in_features, rel=0.05)


def test_bottlenecks_are_linear() -> None:
    net = network(MobileNetV2Params(name="mobilenet_v2", width=1, dropout=0), IMAGES)
    narrow = net.body.layers[-2].layers[-2]  # 960 to 320 filters
    assert variance(narrow.weight) == pytest.approx(1 / 960, rel=0.05)


def test_queries_keys_and_values_are_three_maps() -> None:
    params = TransformerParams(name="transformer", **{**ATTENTION, "width": 128})
    net = network(params, TEXTS, start=ScaledParams(name="orthogonal"))
    packed = net.body.encoder.blocks[0].attention.queries_keys_values.weight
    for part in packed.chunk(3):
        torch.testing.assert_close(part @ part.T, torch.eye(128), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("cell", "gates"),
    [("lstm", ("sigmoid", "sigmoid", "tanh", "sigmoid")), ("gru", ("sigmoid", "sigmoid", "tanh"))],
)
def test_gates_of_recurrent_networks(cell: str, gates: tuple[str, ...]) -> None:
    kind = {"lstm": LstmParams, "gru": GruParams}[cell]
    params = kind(name=cell, pooling="last", **{**RECURRENT, "embedding": 200, "hidden": 150, "layers": 1})
    layer = network(params, TEXTS, start=ScaledParams(name="xavier_uniform")).body.layers[0].onwards
    for gate, part in zip(gates, layer.weight_ih_l0.chunk(len(gates)), strict=True):
        assert variance(part) == pytest.approx(GAINS[gate] ** 2 * 2 / (200 + 150), rel=0.05)
    for part in layer.weight_hh_l0.chunk(len(gates)):
        torch.testing.assert_close(part @ part.T, torch.eye(150), rtol=1e-4, atol=1e-4)
    forget = torch.zeros(4, 150)
    forget[1] = 1
    expected = forget.flatten() if cell == "lstm" else torch.zeros(3 * 150)
    assert torch.equal(layer.bias_ih_l0 + layer.bias_hh_l0, expected)


def test_embeddings_start_small_and_that_of_the_padding_at_zero() -> None:
    net = network(TransformerParams(name="transformer", **{**ATTENTION, "width": 128}), TEXTS)
    embedding = net.body.embedding.weight
    assert not embedding[0].any()
    assert variance(embedding[1:]) == pytest.approx(EMBEDDING_STD**2, rel=0.05)
    assert variance(net.body.positions) == pytest.approx(EMBEDDING_STD**2, rel=0.1)


def test_weights_are_drawn_anew_for_each_layer() -> None:
    torch.manual_seed(0)
    start = scaled("he_normal")
    layers = [start(nn.Linear(3, 3)) for _ in range(4)]
    assert not any(torch.equal(a.weight, b.weight) for a, b in pairwise(layers))
