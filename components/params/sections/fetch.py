"""The section ``fetch``."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.sections.section import Section

OwnCheckpoint = Annotated[str, Field(pattern=r"^data/checkpoints/\w[\w.-]*$")]


class FetchParams(Section):
    """Which public data set and which pretrained weights are fetched before ingest."""

    dataset: Literal["fashion_mnist", "cifar10", "imdb", "sms_spam", "diamonds", "none"] = Field(
        description="Public data set, checked by sha256, placed in data/fetched; none: you bring your own data."
    )
    weights: Literal["none", "efficientnet_lite0", "minilm_l6"] | OwnCheckpoint = Field(
        description="Pretrained weights that are fetched beside it, as safetensors: public ones, checked by sha256, or "
        "a checkpoint of your own, data/checkpoints/<folder>, which then lies in data/fetched/<folder>."
    )
