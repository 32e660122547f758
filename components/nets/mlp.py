"""Multilayer perceptrons: dense layers on the flattened input, or on the mean of the tokens' embeddings."""

import math

from torch import Tensor, nn

from components.contracts import ImageInputs, RowInputs, TextInputs
from components.nets.dense import dense
from components.nets.initialisation import Initialiser, embedding
from components.nets.network import Body
from components.nets.preprocess import row_width
from components.nets.tokens import masked_mean, real_tokens
from components.params.sections import MlpParams, TextMlpParams


class Mlp(Body):
    """Dense layers on the flattened input."""

    def __init__(self, params: MlpParams, inputs: ImageInputs | RowInputs, start: Initialiser) -> None:
        super().__init__()
        width = row_width(inputs) if isinstance(inputs, RowInputs) else math.prod(inputs.shape)
        self.flatten = nn.Flatten()
        self.dense = dense(width, params.dense, params.activation, start, params.dropout)
        self.features = params.dense[-1]

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, height, width) or (batch, width) -> (batch, features)."""
        features: Tensor = self.dense(self.flatten(inputs))
        return features


class TextMlp(Body):
    """Dense layers on the mean of the embeddings of a text's tokens (Iyyer et al. 2015, doi:10.3115/v1/P15-1162)."""

    def __init__(self, params: TextMlpParams, inputs: TextInputs, start: Initialiser) -> None:
        super().__init__()
        self.padding = inputs.padding
        self.embedding = embedding(inputs.vocabulary, params.embedding, inputs.padding)
        self.dense = dense(params.embedding, params.dense, params.activation, start, params.dropout)
        self.features = params.dense[-1]

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (batch, length) int64 -> (batch, features)."""
        features: Tensor = self.dense(masked_mean(self.embedding(ids), real_tokens(ids, self.padding)))
        return features
