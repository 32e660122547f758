"""Small networks of every kind, with inputs that fit them, for the tests of components/nets."""

from pathlib import Path

import torch
from torch import Tensor

from components.contracts import CategoricalColumn, ImageInputs, Inputs, NumericColumn, RowInputs, TextInputs
from components.nets import Network, build_network
from components.params import load_params
from components.params.sections import (
    CnnParams,
    EfficientNetLite0Params,
    GruParams,
    InitialisationParams,
    LstmParams,
    MlpParams,
    MobileNetV2Params,
    NetworkParams,
    ResnetParams,
    ScaledParams,
    TextMlpParams,
    TransformerParams,
    VitParams,
)
from components.tasks.texts.tokens import bpe_inputs

PARAMS = Path(__file__).parents[2] / "params.yaml"
IMAGES = ImageInputs(height=16, width=16, channels=3, mean=(0.5, 0.4, 0.6), std=(0.25, 0.2, 0.3))
TEXTS = bpe_inputs(vocabulary=300, length=10)
ROWS = RowInputs(
    columns=(
        NumericColumn(name="carat", mean=0.8, std=0.5, median=0.7, low=0.2, high=5.0),
        CategoricalColumn(name="cut", categories=("fair", "good", "ideal")),
        NumericColumn(name="depth", mean=61.7, std=1.4, median=61.8, low=43.0, high=79.0),
    ),
    scaling="standard",
    missing="impute",
)
HE = ScaledParams(name="he_normal")
ATTENTION = {"width": 16, "depth": 1, "heads": 2, "dropout": 0.1}
RECURRENT = {"embedding": 16, "hidden": 12, "layers": 2, "bidirectional": True, "dropout": 0.1}

NETWORKS: dict[str, tuple[NetworkParams, Inputs]] = {
    "mlp on images": (MlpParams(name="mlp", dense=(32, 16), activation="relu", dropout=0.1), IMAGES),
    "mlp on rows": (MlpParams(name="mlp", dense=(32, 16), activation="silu", dropout=0.1), ROWS),
    "mlp on texts": (TextMlpParams(name="mlp", dense=(32,), activation="tanh", dropout=0.1, embedding=16), TEXTS),
    "cnn": (
        CnnParams(name="cnn", filters=(8, 16), dense=(16,), activation="gelu", batch_norm=True, dropout=0.1),
        IMAGES,
    ),
    "resnet": (
        ResnetParams(name="resnet", widths=(8, 16), blocks=(1, 1), stem_stride=1, activation="relu", dropout=0.1),
        IMAGES,
    ),
    "mobilenet_v2": (MobileNetV2Params(name="mobilenet_v2", width=0.25, dropout=0.1), IMAGES),
    "efficientnet_lite0": (
        EfficientNetLite0Params(name="efficientnet_lite0", input_side=None, dropout=0.1),
        IMAGES,
    ),
    "vit": (VitParams(name="vit", patch=4, **ATTENTION), IMAGES),
    "lstm": (LstmParams(name="lstm", pooling="last", **RECURRENT), TEXTS),
    "gru": (GruParams(name="gru", pooling="max", **RECURRENT), TEXTS),
    "transformer": (TransformerParams(name="transformer", **ATTENTION), TEXTS),
}


def network(params: NetworkParams, inputs: Inputs, outputs: int = 3, start: InitialisationParams = HE) -> Network:
    """A network as the stage ``train`` builds it, from seed 0."""
    train = load_params(PARAMS).train.model_copy(update={"network": params, "initialisation": start})
    torch.manual_seed(0)
    return build_network(train, inputs, outputs)


def without_dropout(params: NetworkParams) -> NetworkParams:
    """The same network; what it learns is no longer random."""
    return params.model_copy(update={"dropout": 0.0})


def raw_samples(inputs: Inputs, number: int) -> Tensor:
    """Random samples as the line stores them: texts of every length, the first of them empty; rows with gaps."""
    random = torch.Generator().manual_seed(1)
    if isinstance(inputs, ImageInputs):
        return torch.randint(0, 256, (number, *inputs.shape), dtype=torch.uint8, generator=random)
    if isinstance(inputs, TextInputs):
        ids = torch.randint(1, inputs.vocabulary, (number, inputs.length), dtype=torch.int32, generator=random)
        ids[ids == inputs.padding] += 1
        lengths = torch.arange(number) % (inputs.length + 1)
        return torch.where(torch.arange(inputs.length) < lengths[:, None], ids, inputs.padding)
    noise = torch.randn(number, len(inputs.columns), generator=random)
    carat, depth = 0.8 + 0.5 * noise[:, 0], 61.7 + 1.4 * noise[:, 2]
    carat[::3] = torch.nan
    return torch.stack([carat, torch.arange(number) % 4 - 1.0, depth], dim=1)
