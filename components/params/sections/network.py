"""The section ``train.network``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.params.sections.section import Section, Widths

Activation = Annotated[
    Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"],
    Field(description="What follows each linear map or convolution."),
]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Blocks = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(strict=False, min_length=1, max_length=6)]


InputSide = Annotated[
    Annotated[int, Field(ge=8, le=1024)] | None,
    Field(
        description="Side that images are resized to (bilinear) on the training device and inside the graph, in "
        "pixels; null: as ingested."
    ),
]


class CnnParams(Section):
    """Convolutions 3×3 with pooling between them, then dense layers. (32, 64, 64) and (64,) is the reference CNN."""

    name: Literal["cnn"]
    filters: Widths = Field(description="Filters of each convolution; max pooling by 2 follows every one but the last.")
    dense: Widths = Field(description="Units of each hidden dense layer.")
    activation: Activation
    batch_norm: bool = Field(description="Batch normalisation after each convolution.")
    dropout: Dropout = Field(description="Share of the features dropped before the dense layers.")

    def last_side(self, side: int) -> int:
        """Side of the last feature map of an image, in pixels; below 1 where the image is too small."""
        for number, _ in enumerate(self.filters, 1):
            side = side - 2 if number == len(self.filters) else (side - 2) // 2
        return side


class MlpParams(Section):
    """Dense layers on the flattened input."""

    name: Literal["mlp"]
    dense: Widths = Field(description="Units of each hidden dense layer.")
    activation: Activation
    dropout: Dropout = Field(description="Share of each hidden layer's outputs that is dropped.")


class TextMlpParams(MlpParams):
    """Dense layers on the mean of the tokens' embeddings (Iyyer et al. 2015, Deep Averaging Networks)."""

    embedding: int = Field(ge=1, le=4096, description="Width of a token's embedding.")


class ResnetParams(Section):
    """Residual network of basic blocks (He et al. 2016, arXiv:1512.03385) with the 3×3 stem for small images."""

    name: Literal["resnet"]
    widths: Widths = Field(description="Filters of each stage; every stage but the first halves the side.")
    blocks: Blocks = Field(description="Basic blocks of each stage.")
    stem_stride: Literal[1, 2] = Field(description="Stride of the stem: 1 for 28 or 32 pixels, 2 for larger images.")
    activation: Activation
    dropout: Dropout = Field(description="Share of the features dropped before the head.")

    @model_validator(mode="after")
    def _stages(self) -> Self:
        if len(self.widths) != len(self.blocks):
            raise ValueError(f"widths names {len(self.widths)} stages and blocks {len(self.blocks)}; name as many")
        return self


class MobileNetV2Params(Section):
    """Inverted residuals with linear bottlenecks (Sandler et al. 2018, arXiv:1801.04381), strides for small images."""

    name: Literal["mobilenet_v2"]
    width: float = Field(gt=0, le=4, description="Multiplier of all widths.")
    dropout: Dropout = Field(description="Share of the features dropped before the head.")


class EfficientNetLite0Params(Section):
    """EfficientNet-Lite0 from scratch (Tan & Le 2019, arXiv:1905.11946): what `pretrained` is compared with."""

    name: Literal["efficientnet_lite0"]
    input_side: InputSide
    dropout: Dropout = Field(description="Share of the features dropped before the head.")


class AttentionParams(Section):
    """What networks of attention share."""

    width: int = Field(ge=8, le=2048, description="Width of a token; a multiple of heads.")
    depth: int = Field(ge=1, le=48, description="Encoder blocks.")
    heads: int = Field(ge=1, le=64, description="Attention heads.")
    dropout: Dropout = Field(description="Dropout of the embedding, in attention and feed-forward layers.")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class VitParams(AttentionParams):
    """Vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929), pre-norm, mean pooling."""

    name: Literal["vit"]
    patch: int = Field(ge=1, le=64, description="Side of a patch, in pixels; it must divide height and width.")


class RecurrentParams(Section):
    """What recurrent networks share: an embedding, layers over the tokens, and the pooled states as features."""

    embedding: int = Field(ge=1, le=4096, description="Width of a token's embedding.")
    hidden: int = Field(ge=1, le=4096, description="Width of the state, in each direction.")
    layers: int = Field(ge=1, le=8, description="Layers on one another.")
    bidirectional: bool = Field(description="Whether the tokens are read from both ends.")
    pooling: Literal["last", "mean", "max"] = Field(description="Over the states of the tokens, padding left out.")
    dropout: Dropout = Field(description="Dropout of the embedding, between layers and before the head.")


class LstmParams(RecurrentParams):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735)."""

    name: Literal["lstm"]


class GruParams(RecurrentParams):
    """Gated recurrent units (Cho et al. 2014, arXiv:1406.1078)."""

    name: Literal["gru"]


class TransformerParams(AttentionParams):
    """Transformer encoder (Vaswani et al. 2017, arXiv:1706.03762), pre-norm, learned positions, mean pooling."""

    name: Literal["transformer"]


class PretrainedParams(Section):
    """A pretrained backbone with a new head: the head alone at first, then everything, the backbone at a lower rate."""

    name: Literal["pretrained"]
    checkpoint: str = Field(
        min_length=1,
        description="Hub id (org/model, or org/model@commit) of a transformers model with safetensors weights, or what "
        "fetch.weights gives: a folder such as data/fetched/minilm_l6, or data/fetched/efficientnet_lite0.safetensors.",
    )
    frozen_epochs: int = Field(ge=0, le=10_000, description="Epochs in which the backbone is frozen.")
    backbone_rate: float = Field(
        ge=0, le=1, description="Learning rate of the backbone over that of the head, once it is no longer frozen."
    )
    input_side: InputSide
    dropout: Dropout = Field(description="Share of the features dropped before the head.")


ImageNetwork = Annotated[
    CnnParams | MlpParams | ResnetParams | MobileNetV2Params | EfficientNetLite0Params | VitParams | PretrainedParams,
    Field(discriminator="name", description="The network."),
]
TextNetwork = Annotated[
    TextMlpParams | LstmParams | GruParams | TransformerParams | PretrainedParams,
    Field(discriminator="name", description="The network."),
]
RowNetwork = Annotated[MlpParams, Field(description="The network.")]
NetworkParams = (
    CnnParams
    | MlpParams
    | TextMlpParams
    | ResnetParams
    | MobileNetV2Params
    | EfficientNetLite0Params
    | VitParams
    | LstmParams
    | GruParams
    | TransformerParams
    | PretrainedParams
)
