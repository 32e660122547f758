"""The section ``train.initialisation``: the weights that training starts from."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.sections.section import Section


class NormalParams(Section):
    """Normal with a fixed deviation."""

    name: Literal["normal"]
    std: float = Field(gt=0, le=10, description="Standard deviation of every weight.")


class ScaledParams(Section):
    """Scaled by the width of the layer and the gain of the activation.

    xavier: Glorot & Bengio 2010 (AISTATS); he: He et al. 2015 (arXiv:1502.01852); orthogonal: Saxe et al. 2014
    (arXiv:1312.6120).
    """

    name: Literal["xavier_uniform", "xavier_normal", "he_uniform", "he_normal", "orthogonal"]


InitialisationParams = Annotated[
    NormalParams | ScaledParams,
    Field(
        discriminator="name",
        description="Of linear maps and convolutions; biases start at zero. Pretrained weights are kept.",
    ),
]
