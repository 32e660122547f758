"""The encoder that vision transformers and text transformers share (Vaswani et al. 2017, arXiv:1706.03762).

Normalisation comes before each part (pre-norm; Xiong et al. 2020, arXiv:2002.04745). Dropout is where section 5.4 of
Vaswani et al. has it, behind each part, and behind the activation of the feed-forward part, not on the attention
weights themselves: so training uses the fused kernel.
"""

from torch import Tensor, nn
from torch.nn import functional

from components.nets.dropout import Dropout
from components.nets.initialisation import Initialiser
from components.nets.tokens import masked_mean
from components.params.sections import AttentionParams

WIDENING = 4
"""Width of the feed-forward part over that of a token (section 3.3)."""


class Attention(nn.Module):
    """Multi-head self-attention (section 3.2)."""

    def __init__(self, width: int, heads: int, start: Initialiser) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values = start(nn.Linear(width, 3 * width), matrices=3)
        self.output = start(nn.Linear(width, width))

    def forward(self, tokens_btw: Tensor, mask: Tensor | None) -> Tensor:
        """(batch, tokens, width) -> the same; mask (batch, 1, 1, tokens) bool: what may be attended to."""
        batch, tokens, width = tokens_btw.shape
        heads = (batch, tokens, self.heads, width // self.heads)
        packed = self.queries_keys_values(tokens_btw).chunk(3, dim=2)
        queries, keys, values = (part.view(heads).transpose(1, 2) for part in packed)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        output: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return output


class EncoderBlock(nn.Module):
    """Attention and feed-forward part, each normalised before and added after."""

    def __init__(self, params: AttentionParams, start: Initialiser) -> None:
        super().__init__()
        width = params.width
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, params.heads, start)
        self.feed_forward = nn.Sequential(
            start(nn.Linear(width, WIDENING * width), "gelu"),
            nn.GELU(),
            Dropout(params.dropout),
            start(nn.Linear(WIDENING * width, width)),
        )
        self.dropout = Dropout(params.dropout)

    def forward(self, tokens_btw: Tensor, mask: Tensor | None) -> Tensor:
        """(batch, tokens, width) -> the same."""
        tokens_btw = tokens_btw + self.dropout(self.attention(self.attention_norm(tokens_btw), mask))
        encoded: Tensor = tokens_btw + self.dropout(self.feed_forward(self.feed_forward_norm(tokens_btw)))
        return encoded


class Encoder(nn.Module):
    """Dropout of the embedding, the blocks, the mean over the tokens, and a last normalisation.

    The mean comes first, so that a token counts as much as its state is large: normalised, all would count alike.
    """

    def __init__(self, params: AttentionParams, start: Initialiser) -> None:
        super().__init__()
        self.dropout = Dropout(params.dropout)
        self.blocks = nn.ModuleList([EncoderBlock(params, start) for _ in range(params.depth)])
        self.norm = nn.LayerNorm(params.width)

    def forward(self, tokens_btw: Tensor, real_bt: Tensor | None = None) -> Tensor:
        """(batch, tokens, width) -> (batch, width); real (batch, tokens) bool: what is no padding, None: all."""
        mask = None if real_bt is None else real_bt[:, None, None, :]
        tokens_btw = self.dropout(tokens_btw)
        for block in self.blocks:
            tokens_btw = block(tokens_btw, mask)
        mean_bw = tokens_btw.mean(dim=1) if real_bt is None else masked_mean(tokens_btw, real_bt)
        features: Tensor = self.norm(mean_bw)
        return features
