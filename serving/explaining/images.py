"""Which regions of an image mattered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from components.contracts import ImageInputs

CELLS = 14
"""The map has so many rows and columns, or as many as the image has pixels."""
WINDOW_CELLS = 3
BLUR = 0.25
"""Radius of the blur, as a share of the image's smaller side."""


class Occlusion:
    """A window slides over the image and blurs what is under it.

    A cell of the map has the mean over the windows that lay on it.

    Args:
        inputs: what the model takes.
    """

    method = (
        "occlusion by a blurred window (Zeiler & Fergus 2014, arXiv:1311.2901; blur: Fong & Vedaldi 2017, "
        "arXiv:1704.03296): how much less the answer is where the window lies"
    )

    def __init__(self, inputs: ImageInputs) -> None:
        rows = np.linspace(0, inputs.height, min(CELLS, inputs.height) + 1).round().astype(int)
        columns = np.linspace(0, inputs.width, min(CELLS, inputs.width) + 1).round().astype(int)
        self._rows, self._columns = rows, columns
        self._radius = BLUR * min(inputs.height, inputs.width)

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self._rows) - 1, len(self._columns) - 1

    def _window(self, place: int) -> tuple[slice, slice]:
        """The cells under the window whose middle is the cell at a place, counted row by row."""
        row, column = divmod(place, self._shape[1])
        reach = WINDOW_CELLS // 2
        return (
            slice(max(0, row - reach), min(self._shape[0], row + reach + 1)),
            slice(max(0, column - reach), min(self._shape[1], column + reach + 1)),
        )

    def hidden(self, sample: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
        """The image with the window at each cell."""
        blurred = blur(sample, self._radius)
        for place in range(self._shape[0] * self._shape[1]):
            down, across = self._window(place)
            pixels = (
                slice(self._rows[down.start], self._rows[down.stop]),
                slice(self._columns[across.start], self._columns[across.stop]),
            )
            variant = sample.copy()
            variant[pixels] = blurred[pixels]
            yield variant

    def told(self, sample: NDArray[Any], effects: NDArray[np.float32]) -> dict[str, Any]:
        """``map``: rows of cells, from the upper left; together they cover the image."""
        total, windows = np.zeros(self._shape), np.zeros(self._shape)
        for place, effect in enumerate(effects):
            total[self._window(place)] += effect
            windows[self._window(place)] += 1
        return {"map": [[round(value, 6) for value in row] for row in (total / windows).tolist()]}


def blur(sample: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    """A Gaussian blur of an image (height, width, 1 or 3)."""
    picture = Image.fromarray(sample[:, :, 0] if sample.shape[2] == 1 else sample)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.uint8).reshape(sample.shape)
