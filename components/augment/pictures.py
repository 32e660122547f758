"""Samples beside their augmentations, as a picture."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from components.contracts import ImageInputs, Inputs, NumericColumn, RowInputs, TextInputs
from components.tasks.texts.tokens import Tokenizer

SIDE = 1.05
"""Of a picture on the sheet, in inches."""
TEXT_CHARACTERS, TEXT_LINES = 110, 3
DROPPED = "▢"
FACE, DROPPED_COLOUR = "#1a1a1a", "#b3261e"
AS_WRITTEN: dict[Any, Any] = {"text.parse_math": False}
"""A name or a text with two dollar signs is no mathematics."""


def draw(inputs: Inputs, columns: list[Tensor], titles: list[str], tokenizer: Tokenizer | None, path: Path) -> None:
    """Draws a PNG: a row each sample, the original first.

    Args:
        inputs: what the samples are.
        columns: the samples as they are, then augmentations of them: batches of one size.
        titles: what each sample is.
        tokenizer: of texts.
        path: of the picture.
    """
    with mpl.rc_context(AS_WRITTEN):
        _figure(inputs, columns, titles, tokenizer).savefig(path)


def _figure(inputs: Inputs, columns: list[Tensor], titles: list[str], tokenizer: Tokenizer | None) -> Figure:
    match inputs, tokenizer:
        case ImageInputs(), _:
            return _images(columns, titles)
        case TextInputs(), Tokenizer():
            return _texts(columns, titles, tokenizer)
        case RowInputs(), _:
            return _rows(inputs, columns)
        case _:
            raise TypeError("texts cannot be shown without their tokenizer")


def _images(columns: list[Tensor], titles: list[str]) -> Figure:
    figure = Figure((SIDE * len(columns) + 0.9, SIDE * len(titles) + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(len(titles), len(columns), squeeze=False)
    for axis, (row, column) in zip(axes.flat, np.ndindex(axes.shape), strict=True):
        picture_hwc = columns[column][row].permute(1, 2, 0).clamp(0, 1).numpy()
        axis.imshow(picture_hwc.squeeze(), cmap="gray", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[:, 0], titles, strict=True):
        axis.set_ylabel(title[:14], fontsize=8)
    axes[0, 0].set_title("original", fontsize=9)
    axes[0, 1].set_title("as training sees it", fontsize=9, loc="left")
    return figure


def _texts(columns: list[Tensor], titles: list[str], tokenizer: Tokenizer) -> Figure:
    """The beginning of each text, and below it that of one augmentation, with a box for each token that is gone."""
    figure = Figure((10, 1.35 * len(titles) + 0.3), dpi=110, layout="constrained")
    for axis, title, original, augmented in zip(
        figure.subplots(len(titles), 1, squeeze=False)[:, 0], titles, columns[0], columns[1], strict=True
    ):
        axis.axis("off")
        axis.set_title(title, fontsize=9, loc="left", fontweight="bold")
        _write(axis, 0.95, _words(original, tokenizer), FACE)
        _write(axis, 0.40, _words(augmented, tokenizer), DROPPED_COLOUR)
    return figure


def _write(axis: Axes, top: float, text: str, colour: str) -> None:
    lines = textwrap.wrap(text, TEXT_CHARACTERS)[:TEXT_LINES]
    axis.text(0, top, "\n".join(lines), fontsize=8, va="top", color=colour)


def _words(ids: Tensor, tokenizer: Tokenizer) -> str:
    kept = [token for token in ids.tolist() if token != tokenizer.inputs.padding]
    unknown = tokenizer.inputs.unknown
    return "".join(
        DROPPED if token == unknown else word for token, word in zip(kept, tokenizer.tokens(kept), strict=True)
    )


def _rows(inputs: RowInputs, columns: list[Tensor]) -> Figure:
    """For each number: the samples' own, and what training sees in its place."""
    numeric = [(place, column) for place, column in enumerate(inputs.columns) if isinstance(column, NumericColumn)]
    if not numeric:
        return _said("No column holds numbers: training sees every row as it is.")
    figure = Figure((9, 0.9 * len(numeric) + 0.6), dpi=110, layout="constrained")
    for axis, (place, column) in zip(figure.subplots(len(numeric), 1, squeeze=False)[:, 0], numeric, strict=True):
        for augmented in columns[1:]:
            axis.plot(
                augmented[:, place], np.zeros(len(augmented)), "|", color=DROPPED_COLOUR, alpha=0.5, markersize=14
            )
        axis.plot(columns[0][:, place], np.zeros(len(columns[0])), "o", color=FACE, markersize=4)
        axis.set(yticks=[], ylim=(-1, 1))
        axis.set_ylabel(column.name[:14], fontsize=8, rotation=0, ha="right", va="center")
        axis.tick_params(labelsize=7)
    figure.suptitle("● sample    | as training sees it", fontsize=9)
    return figure


def _said(sentence: str) -> Figure:
    figure = Figure((9, 0.8), dpi=110)
    figure.text(0.5, 0.5, sentence, fontsize=11, ha="center", va="center", color=FACE)
    return figure
