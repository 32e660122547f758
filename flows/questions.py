"""Test samples as a client would send them, with the truth about each."""

import io
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from components.contracts import (
    CONTENT,
    PREPARED,
    SAMPLES,
    ClassTarget,
    ImageInputs,
    LabelledArrays,
    Preprocessing,
    RowInputs,
    TextInputs,
)

TITLE_CHARACTERS = 44


@dataclass(frozen=True)
class Question:
    """One request to ``/predict``.

    Attributes:
        title: what is sent, for a person.
        content: the body.
        content_type: of the body.
        truth: name of the true class, or the true value.
    """

    title: str
    content: bytes
    content_type: str
    truth: str | float


def questions(count: int) -> list[Question]:
    """Test samples: of as many classes as can be, equally many of each, or from the smallest value to the largest."""
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    test = LabelledArrays.load(PREPARED / "test")
    chosen = _spread(test, fitted, count)
    bodies = _bodies(test, fitted, chosen)
    truths = [_truth(fitted, label) for label in test.labels[chosen].tolist()]
    return [Question(*body, truth) for body, truth in zip(bodies, truths, strict=True)]


def _spread(test: LabelledArrays, fitted: Preprocessing, count: int) -> NDArray[np.int64]:
    """Where the samples stand in the split."""
    if isinstance(fitted.target, ClassTarget):
        turns = pd.Series(test.labels).groupby(test.labels).cumcount().to_numpy()  # 0 for the first of each class
        turn = -(-count // fitted.target.width)
        candidates = np.lexsort((test.labels, turns))[: (turns < turn).sum()]
        if count >= fitted.target.width:
            return candidates[:count]
    else:
        candidates = np.argsort(test.labels, kind="stable")
    steps = np.linspace(0, len(candidates) - 1, min(count, len(candidates))).round().astype(np.int64)
    return candidates[steps]


def _truth(fitted: Preprocessing, label: float) -> str | float:
    return fitted.target.labels[int(label)] if isinstance(fitted.target, ClassTarget) else label


def _bodies(test: LabelledArrays, fitted: Preprocessing, chosen: NDArray[np.int64]) -> list[tuple[str, bytes, str]]:
    """Title, content and type of each."""
    match fitted.inputs:
        case ImageInputs():
            return [_picture(str(test.ids[place]), test.inputs[place]) for place in chosen]
        case TextInputs():
            return [_document(text, text) for text in _content(chosen)["text"]]
        case RowInputs():
            rows = _content(chosen).astype(object).replace({np.nan: None}).to_dict("records")
            return [_document(row, ", ".join(f"{name} {value}" for name, value in row.items())) for row in rows]


def _picture(identity: str, pixels: NDArray[np.uint8]) -> tuple[str, bytes, str]:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(buffer, format="PNG")
    content = buffer.getvalue()
    return f"{identity[:12]}.png, {len(content)} bytes", content, "image/png"


def _document(sample: object, shown: str) -> tuple[str, bytes, str]:
    title = shown if len(shown) <= TITLE_CHARACTERS else shown[:TITLE_CHARACTERS] + "…"
    return title, json.dumps({"inputs": sample}).encode(), "application/json"


def _content(chosen: NDArray[np.int64]) -> pd.DataFrame:
    """The raw samples, by their places in the test split."""
    rows = np.flatnonzero(pd.read_parquet(SAMPLES, columns=["split"])["split"] == "test")
    return pd.read_parquet(CONTENT).iloc[rows[chosen]]
