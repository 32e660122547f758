"""The section ``augment``: random changes of training samples, and which samples an epoch sees."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from components.params.sections.section import Probability, Section, Share


class NoMix(Section):
    """Samples are not mixed."""

    name: Literal["none"]


class Mixup(Section):
    """Two samples are blended, and so are their losses (Zhang et al. 2018, arXiv:1710.09412)."""

    name: Literal["mixup"]
    alpha: float = Field(gt=0, le=10, description="Both parameters of the Beta distribution of the share.")
    probability: Probability = Field(description="Share of the batches that are mixed.")


class Cutmix(Section):
    """A rectangle of one image is laid over another (Yun et al. 2019, arXiv:1905.04899)."""

    name: Literal["cutmix"]
    alpha: float = Field(gt=0, le=10, description="Both parameters of the Beta distribution of the share.")
    probability: Probability = Field(description="Share of the batches that are mixed.")


class OrderParams(Section):
    """Which training samples an epoch sees."""

    oversample: Literal["none", "balance"] = Field(
        description="balance: rarer classes are repeated until all are as frequent as the most frequent one."
    )


class Magnitude(Section):
    """A random transformation: how far, and how often."""

    range: float = Field(ge=0, le=180, description="Largest magnitude.")
    probability: Probability = Field(description="Share of the samples that it is applied to.")


class Rotation(Magnitude):
    """Rotation by a uniform angle."""

    range: float = Field(ge=0, le=180, description="Largest angle, in degrees to either side (rotation_range).")


class Shift(Magnitude):
    """Translation by a uniform distance."""

    range: float = Field(
        ge=0,
        le=1,
        description="Largest distance, as a share of the image's side (width_shift_range, height_shift_range).",
    )


class Shear(Magnitude):
    """Shear by a uniform angle."""

    range: float = Field(ge=0, lt=90, description="Largest shear angle, in degrees (shear_range).")


class Zoom(Magnitude):
    """Zoom by a uniform factor, drawn for each axis."""

    range: float = Field(ge=0, lt=1, description="Factor between 1 - range and 1 + range (zoom_range).")


class Flip(Section):
    """Mirroring."""

    probability: Probability = Field(description="Share of the samples that are mirrored (horizontal_flip: 0.5).")


class Erasing(Section):
    """Random erasing: a rectangle is replaced by noise (Zhong et al. 2020, arXiv:1708.04896)."""

    probability: Probability = Field(description="Share of the samples that lose a rectangle.")
    area: Annotated[tuple[Share, Share], Field(strict=False)] = Field(
        description="Smallest and largest area of the rectangle, as a share of the image."
    )

    @field_validator("area")
    @classmethod
    def _ordered(cls, area: tuple[float, float]) -> tuple[float, float]:
        if area[0] > area[1]:
            raise ValueError("the smallest area must not be above the largest")
        return area


class ImageAugmentParams(OrderParams):
    """Random changes of training images, composed into one affine map, for a whole batch on the training device."""

    rotation: Rotation
    width_shift: Shift
    height_shift: Shift
    shear: Shear
    zoom: Zoom
    horizontal_flip: Flip
    interpolation: Literal["bilinear", "nearest"] = Field(
        description="How pixels of the moved image are found between those of the original. nearest keeps its edges: "
        "what is only shifted moves by whole pixels; bilinear (as Keras does) softens it."
    )
    random_erasing: Erasing
    mix: Annotated[
        NoMix | Mixup | Cutmix,
        Field(discriminator="name", description="Mixing of two samples and their labels."),
    ]
    shown_samples: int = Field(ge=1, le=32, description="Samples shown beside their augmentations in the report.")


class TextAugmentParams(OrderParams):
    """Random changes of training texts."""

    token_dropout: Probability = Field(
        description="Share of the tokens that become the unknown token (word dropout, Iyyer et al. 2015, section 3.2)."
    )
    shown_samples: int = Field(ge=1, le=32, description="Samples shown beside their augmentations in the report.")


class RowAugmentParams(Section):
    """Random changes of training rows."""

    noise: float = Field(
        ge=0, le=1, description="Standard deviation of Gaussian noise on every number, as a share of its deviation."
    )
    mix: Annotated[NoMix | Mixup, Field(discriminator="name", description="Mixing of two samples and their labels.")]
    shown_samples: int = Field(ge=1, le=32, description="Samples shown beside their augmentations in the report.")
