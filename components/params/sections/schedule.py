"""The sections ``train.schedule`` and ``train.warmup``: the learning rate over the steps."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.sections.section import Section

Floor = Annotated[float, Field(ge=0, le=1)]


class ConstantParams(Section):
    """The same learning rate throughout."""

    name: Literal["constant"]


class StepParams(Section):
    """Multiplied by a factor every so many epochs."""

    name: Literal["step"]
    every_epochs: int = Field(ge=1, le=10_000, description="Epochs between two steps down.")
    factor: float = Field(gt=0, lt=1, description="What the learning rate is multiplied by.")


class ExponentialParams(Section):
    """Multiplied by a factor an epoch, step by step."""

    name: Literal["exponential"]
    factor: float = Field(gt=0, lt=1, description="What an epoch multiplies the learning rate by.")


class PolynomialParams(Section):
    """From the peak to a floor along (1 - t)^power."""

    name: Literal["polynomial"]
    power: float = Field(gt=0, le=10, description="Power; 1: a straight line.")
    floor: Floor = Field(description="Learning rate at the end, as a share of the peak.")


class CosineParams(Section):
    """Half a cosine from the peak to a floor (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

    name: Literal["cosine"]
    floor: Floor = Field(description="Learning rate at the end, as a share of the peak.")


class OneCycleParams(Section):
    """Up to the peak and down again (Smith & Topin 2019, arXiv:1708.07120)."""

    name: Literal["one_cycle"]
    warmup_share: float = Field(gt=0, lt=1, description="Share of all steps in which the learning rate rises.")


class PlateauParams(Section):
    """Multiplied by a factor where the validation score has stopped rising."""

    name: Literal["plateau"]
    patience: int = Field(ge=0, le=1000, description="Epochs without a gain that are waited for.")
    factor: float = Field(gt=0, lt=1, description="What the learning rate is multiplied by.")


ScheduleParams = Annotated[
    ConstantParams | StepParams | ExponentialParams | PolynomialParams | CosineParams | OneCycleParams | PlateauParams,
    Field(discriminator="name", description="The learning rate over the steps."),
]


class WarmupParams(Section):
    """A rise to what the schedule says, over the first steps (Goyal et al. 2017, arXiv:1706.02677, section 2.2)."""

    shape: Literal["linear", "cosine"] = Field(description="Straight, or half a cosine.")
    epochs: float = Field(gt=0, le=10_000, description="Its length, in epochs; shorter than the training.")
