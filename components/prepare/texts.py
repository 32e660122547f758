"""Texts: the tokenizer, and every text as token ids."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.arrays import create_npy
from components.contracts import CONTENT, INPUTS, TOKENIZER, TextInputs
from components.params.sections import BpeParams, CheckpointTokenizerParams, TextPrepareParams
from components.prepare.checkpoint import checkpoint_tokenizer
from components.prepare.places import Places
from components.tasks.texts.tokens import Tokenizer, train_tokenizer

TEXTS_AT_ONCE = 1024


def prepare_texts(places: Places, params: TextPrepareParams, folder: Path) -> TextInputs:
    """Writes the tokenizer, and ``inputs.npy`` of every split.

    Args:
        places: the samples of each split.
        params: which tokenizer, and how many tokens are kept of a text.
        folder: holds a folder for each split.

    Raises:
        DataError: the tokenizer of a checkpoint cannot be read or used.
        ParamsError: the length leaves no room for a text.
    """
    tokenizer = _tokenizer(places["train"], params)
    tokenizer.save(folder / TOKENIZER)
    inputs = tokenizer.inputs
    arrays = {
        split: create_npy(folder / split / INPUTS.name, (len(rows), *inputs.shape), inputs.dtype)
        for split, rows in places.items()
    }
    for first, texts in _pieces():
        ids = tokenizer.encode(texts)
        for split, rows in places.items():
            here = slice(*np.searchsorted(rows, [first, first + len(texts)]))
            arrays[split][here] = ids[rows[here] - first]
    return inputs


def _tokenizer(train: NDArray[np.int64], params: TextPrepareParams) -> Tokenizer:
    match params.tokenizer:
        case BpeParams() as bpe:
            return train_tokenizer(_training_texts(train), bpe, params.length)
        case CheckpointTokenizerParams(checkpoint=checkpoint):
            return checkpoint_tokenizer(checkpoint, params.length)


def _training_texts(rows: NDArray[np.int64]) -> Iterator[str]:
    for first, texts in _pieces():
        low, high = np.searchsorted(rows, [first, first + len(texts)])
        yield from (texts[place] for place in rows[low:high] - first)


def _pieces() -> Iterator[tuple[int, list[str]]]:
    """The texts in their order, some at a time, each piece with the place of its first."""
    first = 0
    with pq.ParquetFile(CONTENT) as file:
        for batch in file.iter_batches(TEXTS_AT_ONCE):
            texts = batch.column(0).to_pylist()
            yield first, texts
            first += len(texts)
