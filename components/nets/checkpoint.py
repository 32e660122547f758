"""From the name of a checkpoint to a backbone.

Weights are read from safetensors alone, and code that a checkpoint brings along is never run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from components.contracts import TextInputs
from components.errors import DataError, ParamsError
from components.nets import efficientnet
from components.pretrained import first_line, located, read_pretrained

PLACE = "train.network.checkpoint"
NEEDS = (
    "It must be a hub id, or a folder that fetch.weights gives, of a model whose architecture transformers itself has "
    "(code in a checkpoint is never run), with its weights as .safetensors (pickles are never read)."
)
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class ImageBackbone:
    """A backbone for images, and what it expects.

    Attributes:
        module: (batch, channels, height, width) -> (batch, features).
        channels: of an image.
        normalisation: what is taken off pixels in [0, 1], and what they are then divided by, each of one number or one
            a channel; None: the checkpoint does not say.
    """

    module: nn.Module
    channels: int
    normalisation: Normalisation | None


def image_backbone(checkpoint: str) -> ImageBackbone:
    """Loads a backbone for images: a file of ``fetch.weights``, or a model of transformers.

    Raises:
        DataError: there is no such checkpoint, or it is damaged, incomplete or without safetensors.
        ParamsError: it is none of the kinds that can be loaded, or not for images.
    """
    if checkpoint.endswith(".safetensors"):
        return _efficientnet(Path(checkpoint))
    model = _transformers_model(checkpoint, "pixel_values", "images")
    return ImageBackbone(PooledImages(model), model.config.num_channels, _stated_normalisation(checkpoint))


def text_backbone(checkpoint: str, inputs: TextInputs) -> nn.Module:
    """Loads an encoder of texts of transformers: token ids and their mask -> states.

    Raises:
        DataError: as :func:`image_backbone`.
        ParamsError: it is not for texts, or the token ids are not those of its own tokenizer.
    """
    model = _transformers_model(checkpoint, "input_ids", "texts")
    config = model.config  # it may have room for more tokens than the tokenizer has, and leave the padding to it
    if config.vocab_size < inputs.vocabulary or config.pad_token_id not in (None, inputs.padding):
        raise ParamsError(
            f"{PLACE}: {checkpoint} knows {config.vocab_size} tokens with padding {config.pad_token_id}, and the "
            f"prepared texts have {inputs.vocabulary} with padding {inputs.padding}: they are not of one checkpoint. "
            "Name one whose tokenizer belongs to its weights."
        )
    model.pooler = None  # the states are pooled here, and a pooler that is never used would only be weight
    encoder: nn.Module = model
    return encoder


def _efficientnet(path: Path) -> ImageBackbone:
    if path.name != "efficientnet_lite0.safetensors":
        raise ParamsError(
            f"{PLACE}: {path} is no file of weights that can be loaded; found the name {path.name}, known is "
            "efficientnet_lite0.safetensors. Set fetch.weights: efficientnet_lite0, or name a hub id or a folder of a "
            "transformers model."
        )
    module = efficientnet.EfficientNetLite0(efficientnet.CHANNELS)
    try:
        weights = load_file(path)
        module.load_state_dict({name: weight for name, weight in weights.items() if not name.startswith("_fc.")})
    except FileNotFoundError:
        raise DataError(f"{PLACE}: {path} is not there. Set fetch.weights: efficientnet_lite0 and run again.") from None
    except (SafetensorError, RuntimeError) as error:
        raise DataError(
            f"{PLACE}: {path} does not hold the weights of an EfficientNet-Lite0: {first_line(error)}. Delete it, set "
            "fetch.weights: efficientnet_lite0 and run again."
        ) from None
    return ImageBackbone(module, efficientnet.CHANNELS, ((efficientnet.MEAN,), (efficientnet.STD,)))


class PooledImages(nn.Module):
    """An image model of transformers that gives one vector an image.

    That is what the model itself pools to, where its pooling came with the checkpoint; else the mean over its feature
    maps, or its first token, the class token.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images_bchw: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, features)."""
        outputs = self.model(pixel_values=images_bchw, return_dict=True)
        pooled: Tensor | None = getattr(outputs, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        states: Tensor = outputs.last_hidden_state
        return states.mean(dim=(2, 3)) if states.ndim == 4 else states[:, 0]


def _transformers_model(checkpoint: str, takes: str, kind: str) -> Any:
    """A model of transformers in float32, all of whose weights came with the checkpoint.

    A pooling that the checkpoint lacks is removed: it belongs to another task and would be random.
    """
    from transformers import AutoModel

    options = {"output_loading_info": True, "dtype": torch.float32, "use_safetensors": True}
    model, report = read_pretrained(AutoModel.from_pretrained, checkpoint, PLACE, NEEDS, **options)
    missing = sorted(report["missing_keys"])
    if missing and all(name.startswith("pooler.") for name in missing):
        model.pooler = None
    elif missing:
        raise DataError(
            f"{PLACE}: {checkpoint} lacks {len(missing)} of the weights of its architecture, {missing[0]} among them. "
            "Name a whole checkpoint."
        )
    if model.main_input_name != takes:
        raise ParamsError(
            f"{PLACE}: {checkpoint} takes {model.main_input_name}, and the task has {kind}. Name another."
        )
    return model


class _Stated(BaseModel):
    """What a ``preprocessor_config.json`` says about pixels of 0 to 255: times the factor, less the mean, over std."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    do_rescale: bool = True
    rescale_factor: float = Field(default=1 / 255, gt=0)
    rescale_offset: bool = False
    """Whether 1 is taken off before the mean."""
    do_normalize: bool = True
    image_mean: tuple[float, ...] | None = None
    image_std: tuple[Annotated[float, Field(gt=0)], ...] | None = None

    def of_unit_pixels(self) -> Normalisation | None:
        """Mean and deviation for pixels in [0, 1]; None: they are not stated."""
        largest = 255 * self.rescale_factor if self.do_rescale else 255.0
        mean, std = (self.image_mean, self.image_std) if self.do_normalize else ((0.0,), (1.0,))
        if mean is None or std is None:
            return None
        return tuple((value + self.rescale_offset) / largest for value in mean), tuple(value / largest for value in std)


def _stated_normalisation(checkpoint: str) -> Normalisation | None:
    from transformers.utils.hub import cached_file

    name, where = located(checkpoint)
    path = cached_file(name, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False, **where)
    if path is None:
        return None
    try:
        return _Stated.model_validate_json(Path(path).read_bytes()).of_unit_pixels()
    except ValidationError as error:
        raise DataError(f"{PLACE}: {path} does not say how images are normalised: {error}") from None
