"""The section ``train.averaging``: weights that are the mean of those that training went through."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.sections.section import Section


class NoAveraging(Section):
    """The weights are those of the optimizer."""

    name: Literal["none"]


class EmaParams(Section):
    """Exponential moving average (Polyak & Juditsky 1992): evaluated and exported weights are the averaged ones."""

    name: Literal["ema"]
    decay: float = Field(gt=0, lt=1, description="Share of the average that a step keeps.")


class SwaParams(Section):
    """Stochastic weight averaging: the mean of the weights after each late epoch (Izmailov 2018, arXiv:1803.05407)."""

    name: Literal["swa"]
    start_share: float = Field(gt=0, lt=1, description="Share of the epochs after which averaging starts.")


AveragingParams = Annotated[
    NoAveraging | EmaParams | SwaParams,
    Field(discriminator="name", description="Which weights are evaluated and exported."),
]
