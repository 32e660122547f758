"""The section ``fetch``."""

from typing import Literal

from pydantic import Field

from components.params.sections.section import Section


class FetchParams(Section):
    """Which public data set is fetched before ingest."""

    dataset: Literal["fashion_mnist", "cifar10", "imdb", "sms_spam", "diamonds", "none"] = Field(
        description="Public data set, checked by sha256, placed in data/fetched; none: you bring your own data."
    )
    weights: Literal["none", "efficientnet_lite0"] = Field(
        description="Pretrained weights that are fetched beside it, as safetensors, checked by sha256."
    )
