"""Samples of the test split as a person looks at them: the picture, the text, the row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.contracts import CONTENT, SAMPLES, ImageInputs, Inputs, LabelledArrays, RowInputs, TextInputs

TEXT_CHARACTERS = 700
Content = NDArray[np.uint8] | str | dict[str, float | str]


@dataclass(frozen=True)
class ShownSample:
    """One sample.

    Attributes:
        identity: its id in the sample table.
        content: (height, width, channels) uint8; or the beginning of a text; or a row, by column.
    """

    identity: str
    content: Content


def shown_samples(inputs: Inputs, test: LabelledArrays) -> Callable[[NDArray[np.int64]], list[ShownSample]]:
    """A function from places in the test split to the samples there."""

    def show(places: NDArray[np.int64]) -> list[ShownSample]:
        contents = _contents(inputs, test, places)
        return [ShownSample(str(test.ids[place]), content) for place, content in zip(places, contents, strict=True)]

    return show


def _contents(inputs: Inputs, test: LabelledArrays, places: NDArray[np.int64]) -> Sequence[Content]:
    match inputs:
        case ImageInputs():
            return [test.inputs[place] for place in places]
        case TextInputs():
            texts = pq.read_table(CONTENT).column("text").take(_table_rows()[places]).to_pylist()
            return [text if len(text) <= TEXT_CHARACTERS else f"{text[:TEXT_CHARACTERS]}…" for text in texts]
        case RowInputs():
            rows: list[dict[str, float | str]] = (
                pd.read_parquet(CONTENT).iloc[_table_rows()[places]].to_dict("records")  # type: ignore[assignment]
            )
            return rows


def _table_rows() -> NDArray[np.int64]:
    """Where the samples of the test split stand in the sample table."""
    return np.flatnonzero(pd.read_parquet(SAMPLES, columns=["split"])["split"] == "test")
