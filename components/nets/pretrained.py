"""Bodies around a pretrained backbone: what comes before and after it, inside the exported graph."""

import torch
from torch import Tensor, nn

from components.contracts import ImageInputs, TextInputs
from components.errors import ParamsError
from components.nets.checkpoint import PLACE, image_backbone, text_backbone
from components.nets.dropout import Dropout
from components.nets.network import Body
from components.nets.resize import resize
from components.nets.tokens import masked_mean, real_tokens, trimmed_for_export
from components.params.sections import PretrainedParams


class PretrainedImages(Body):
    """Normalisation as the backbone knows it, resizing, the backbone, dropout.

    Grey images are repeated for a backbone that takes colours.
    """

    scale: Tensor
    shift: Tensor
    backbone: nn.Module

    def __init__(self, params: PretrainedParams, inputs: ImageInputs) -> None:
        super().__init__()
        found = image_backbone(params.checkpoint)
        if inputs.channels not in (1, found.channels):
            raise ParamsError(
                f"{PLACE}: {params.checkpoint} takes images of {found.channels} channels, and ingest.source.channels "
                f"is {inputs.channels}. Set that to 1, or name another checkpoint."
            )
        self.side = params.input_side
        self.backbone = found.module
        self.dropout = Dropout(params.dropout)
        mean, std = _channels(inputs.mean, found.channels), _channels(inputs.std, found.channels)
        known_mean, known_std = found.normalisation or (inputs.mean, inputs.std)
        known_mean_c, known_std_c = _channels(known_mean, found.channels), _channels(known_std, found.channels)
        self.register_buffer("scale", std / known_std_c, persistent=False)
        self.register_buffer("shift", (mean - known_mean_c) / known_std_c, persistent=False)
        example = torch.zeros(1, inputs.channels, inputs.height, inputs.width)
        self.features = _features(self, example, params.checkpoint)

    def forward(self, images_bchw: Tensor) -> Tensor:
        """Images less our mean over our deviation (batch, channels, height, width) -> (batch, features)."""
        images_bchw = images_bchw * self.scale + self.shift
        features: Tensor = self.dropout(self.backbone(resize(images_bchw, self.side)))
        return features


class PretrainedTexts(Body):
    """A pretrained encoder, the mean over its states of the real tokens, dropout."""

    backbone: nn.Module

    def __init__(self, params: PretrainedParams, inputs: TextInputs) -> None:
        super().__init__()
        self.padding = inputs.padding
        self.backbone = text_backbone(params.checkpoint, inputs)
        self.dropout = Dropout(params.dropout)
        self.features = _features(self, torch.full((1, inputs.length), inputs.unknown), params.checkpoint)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (batch, length) int64 -> (batch, features)."""
        ids = trimmed_for_export(ids, self.padding)
        real = real_tokens(ids, self.padding)
        states_btw = self.backbone(input_ids=ids, attention_mask=real, return_dict=True).last_hidden_state
        features: Tensor = self.dropout(masked_mean(states_btw, real))
        return features


def _channels(values: tuple[float, ...], channels: int) -> Tensor:
    """One number a channel, (1, channels, 1, 1)."""
    return torch.tensor(values).expand(channels).view(1, -1, 1, 1)


def _features(body: Body, example: Tensor, checkpoint: str) -> int:
    """Width of what a body gives for an example.

    Raises:
        ParamsError: its backbone does not take the example.
    """
    try:
        with torch.no_grad():
            features: Tensor = body.eval()(example)
    except (ValueError, RuntimeError, IndexError, TypeError) as error:
        raise ParamsError(
            f"{PLACE}: {checkpoint} does not take a sample of shape {tuple(example.shape[1:])}: {error} Set "
            "network.input_side (images) or prepare.length (texts) to what it takes."
        ) from error
    body.train()
    return features.shape[1]
