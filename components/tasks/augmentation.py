"""The random changes of training samples, as one module for a whole batch, on the device that trains."""

from torch import nn

from components.contracts import Inputs, RowInputs, TextInputs
from components.params.sections import ImageAugmentParams, RowAugmentParams, TextAugmentParams
from components.tasks.images.augmentation import BatchAugmentation
from components.tasks.rows.augmentation import GaussianNoise
from components.tasks.texts.augmentation import TokenDropout

AugmentParams = ImageAugmentParams | TextAugmentParams | RowAugmentParams


def build_augmentation(augment: AugmentParams, inputs: Inputs) -> nn.Module:
    """The section ``augment`` as a module: takes and gives what :meth:`components.nets.Preprocess.unpack` gives."""
    match augment, inputs:
        case ImageAugmentParams(), _:
            return BatchAugmentation(augment)
        case TextAugmentParams(), TextInputs():
            return TokenDropout(augment.token_dropout, inputs)
        case RowAugmentParams(), RowInputs():
            return GaussianNoise(augment.noise, inputs)
    raise TypeError(f"{type(augment).__name__} does not fit {type(inputs).__name__}")
