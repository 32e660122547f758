"""The ingested samples as a packaged model takes them: through its own image size, tokenizer, columns.

So two models can be asked about the same samples, whatever each was fitted on. Not for the server: reads the tables.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.contracts import (
    CONTENT,
    INGESTED,
    INPUTS,
    SAMPLES,
    TOKENIZER,
    ImageInputs,
    Ingested,
    RowInputs,
    TextInputs,
)
from components.errors import DataError
from components.package.model import ModelPackage
from components.tasks.rows.encoding import encode_rows
from components.tasks.texts.tokens import Tokenizer


def encode_content(package: ModelPackage, ids: NDArray[np.str_]) -> NDArray[Any]:
    """Encodes samples of ``data/ingested`` for a model.

    Args:
        package: of the model.
        ids: (samples,) of the sample table.

    Returns:
        (samples, *shape of the model's inputs), in their dtype, in the order of the ids.

    Raises:
        DataError: the model cannot take these samples, or they are not there; a sentence that begins with "It".
    """
    kind = Ingested.read(INGESTED / "ingested.json").content.kind
    if kind != package.inputs.kind:
        raise DataError(f"It takes {package.inputs.kind}; the samples are {kind}.")
    rows = _rows_of(ids)
    match package.inputs:
        case ImageInputs() as images:
            return _images(images, rows)
        case TextInputs() as known:
            texts = pq.read_table(CONTENT).column("text").take(rows).to_pylist()
            return Tokenizer.load(package.folder / TOKENIZER, known).encode(texts)
        case RowInputs() as table:
            return _table(table, rows)


def _rows_of(ids: NDArray[np.str_]) -> NDArray[np.int64]:
    rows = pd.Index(pd.read_parquet(SAMPLES, columns=["id"])["id"]).get_indexer(pd.Index(ids.astype(object)))
    if (rows < 0).any():
        raise DataError(f"It cannot be asked: {SAMPLES} lacks {(rows < 0).sum()} of the samples. Run the line again.")
    return np.asarray(rows, np.int64)


def _images(inputs: ImageInputs, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    images_nhwc = np.load(INPUTS, mmap_mode="r", allow_pickle=False)
    if images_nhwc.shape[1:] != inputs.shape:
        raise DataError(f"It takes images of {_size(inputs.shape)}; the samples are {_size(images_nhwc.shape[1:])}.")
    chosen: NDArray[np.uint8] = images_nhwc[rows]
    return chosen


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _table(inputs: RowInputs, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    content = pd.read_parquet(CONTENT)
    names = [column.name for column in inputs.columns]
    lost = [name for name in names if name not in content.columns]
    if lost:
        raise DataError(f"It takes columns that the samples do not have: {', '.join(lost)}.")
    values: list[Any] = content[names].iloc[rows].to_dict("records")
    return encode_rows(values, inputs)
