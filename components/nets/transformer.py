"""Transformer encoder for texts (Vaswani et al. 2017, arXiv:1706.03762), with learned positions."""

from torch import Tensor

from components.contracts import TextInputs
from components.nets.attention import Encoder
from components.nets.initialisation import Initialiser, embedding, positions
from components.nets.network import Body
from components.nets.tokens import real_tokens, trimmed_for_export
from components.params.sections import TransformerParams


class Transformer(Body):
    """Embeddings of tokens and positions, the encoder, and the mean over the real tokens; nobody attends to padding."""

    def __init__(self, params: TransformerParams, inputs: TextInputs, start: Initialiser) -> None:
        super().__init__()
        self.padding = inputs.padding
        self.embedding = embedding(inputs.vocabulary, params.width, inputs.padding)
        self.positions = positions(inputs.length, params.width)
        self.encoder = Encoder(params, start)
        self.features = params.width

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (batch, at most the length of the inputs) int64 -> (batch, features)."""
        ids = trimmed_for_export(ids, self.padding)
        real = real_tokens(ids, self.padding)
        tokens_btw = self.embedding(ids) + self.positions[:, : ids.shape[1]]
        features: Tensor = self.encoder(tokens_btw, real)
        return features
