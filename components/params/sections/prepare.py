"""The section ``prepare``: what is fitted on the training split."""

from typing import Literal

from pydantic import Field

from components.params.sections.section import Section


class ImagePrepareParams(Section):
    """How pixels are normalised."""

    normalisation: Literal["unit", "standard"] = Field(
        description="unit: values in [0, 1]; "
        "standard: then less the training mean, over its standard deviation, per channel."
    )


class TextPrepareParams(Section):
    """The tokenizer: byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), trained on the training split."""

    vocabulary: int = Field(ge=300, le=100_000, description="Tokens of the vocabulary, at most.")
    length: int = Field(ge=4, le=4096, description="Tokens that are read of a text; what is longer is cut.")
    lowercase: bool = Field(description="Whether the tokenizer takes capitals for small letters.")


class RowPrepareParams(Section):
    """How numbers are scaled."""

    scaling: Literal["standard", "min_max", "none"] = Field(
        description="standard: less the training mean, over the deviation; min_max: to [0, 1] over the training range."
    )
