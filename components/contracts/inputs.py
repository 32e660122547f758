"""What a model takes: the array that a decoder makes of a user's file, and what was fitted on the training split.

Three kinds. All that normalises them happens inside the exported graph, with the numbers kept here.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from components.contracts.record import Record


class ImageInputs(Record):
    """Images: a sample is (height, width, channels) uint8."""

    kind: Literal["images"] = "images"
    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    """Per channel, of values in [0, 1], over the training split."""
    std: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.height, self.width, self.channels

    @property
    def dtype(self) -> "np.dtype[np.uint8]":
        """Of the array."""
        return np.dtype(np.uint8)


class TextInputs(Record):
    """Texts: a sample is (length,) int32, token ids of the tokenizer beside it."""

    kind: Literal["texts"] = "texts"
    vocabulary: int
    """Number of token ids, the special ones among them."""
    length: int
    """Tokens that are read of a text, what the tokenizer puts around it among them; what is longer is cut."""
    padding: int
    """Id that fills up what a text leaves of the length."""
    unknown: int
    """Id that stands in for a token that is not told."""
    special: tuple[int, ...]
    """Ids that stand for no text, padding and unknown among them."""
    fallback: tuple[int, int]
    """Ids from the first to before the second stand for what the vocabulary has no piece for: single bytes of a
    tokenizer that was trained here, the unknown token of a checkpoint's."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return (self.length,)

    @property
    def dtype(self) -> "np.dtype[np.int32]":
        """Of the array."""
        return np.dtype(np.int32)


class NumericColumn(Record):
    """A column of numbers, with what was fitted on the training split."""

    kind: Literal["numeric"] = "numeric"
    name: str
    mean: float
    std: float
    """At least a tiny positive number."""
    median: float
    """Takes the place of a missing value (NaN)."""
    low: float
    """Smallest value of the training split; what is smaller counts as this."""
    high: float
    """Largest value of the training split; what is larger counts as this."""


class CategoricalColumn(Record):
    """A column of categories; a value is its position here, as a float, and -1 for one that training never saw."""

    kind: Literal["categorical"] = "categorical"
    name: str
    categories: tuple[str, ...]


Column = Annotated[NumericColumn | CategoricalColumn, Field(discriminator="kind")]


class RowInputs(Record):
    """Rows of a table: a sample is (columns,) float32, numbers as they are and categories as their positions."""

    kind: Literal["rows"] = "rows"
    columns: tuple[Column, ...]
    scaling: Literal["standard", "min_max", "none"]
    """What the graph does to numbers: less the mean over the deviation, to [0, 1] over low and high, or nothing."""
    missing: Literal["refuse", "impute"]
    """What becomes of a row that lacks a number: it is refused, or the graph takes the column's median."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return (len(self.columns),)

    @property
    def dtype(self) -> "np.dtype[np.float32]":
        """Of the array."""
        return np.dtype(np.float32)


Inputs = ImageInputs | TextInputs | RowInputs
InputsField = Annotated[Inputs, Field(discriminator="kind")]
