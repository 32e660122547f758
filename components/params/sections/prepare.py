"""The section ``prepare``: what is fitted on the training split."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.sections.section import Section


class ImagePrepareParams(Section):
    """How pixels are normalised."""

    normalisation: Literal["unit", "standard"] = Field(
        description="unit: values in [0, 1]; "
        "standard: then less the training mean, over its standard deviation, per channel."
    )


class BpeParams(Section):
    """Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), trained on the training split."""

    name: Literal["bpe"]
    vocabulary: int = Field(ge=300, le=100_000, description="Tokens of the vocabulary, at most.")
    lowercase: bool = Field(description="Whether the tokenizer takes capitals for small letters.")


class CheckpointTokenizerParams(Section):
    """The tokenizer of a pretrained checkpoint: what network: {name: pretrained} needs."""

    name: Literal["checkpoint"]
    checkpoint: str = Field(
        min_length=1, description="As train.network.checkpoint: a hub id, or a folder that fetch.weights gives."
    )


class TextPrepareParams(Section):
    """How texts become token ids."""

    tokenizer: Annotated[
        BpeParams | CheckpointTokenizerParams, Field(discriminator="name", description="The tokenizer.")
    ]
    length: int = Field(
        ge=4,
        le=4096,
        description="Tokens that are read of a text, special ones at its ends among them; what is longer is cut.",
    )


class RowPrepareParams(Section):
    """How numbers are scaled."""

    scaling: Literal["standard", "min_max", "none"] = Field(
        description="standard: less the training mean, over the deviation; min_max: to [0, 1] over the training range."
    )
