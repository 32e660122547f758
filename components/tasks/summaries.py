"""A few numbers that say what a sample is like: compared between what a model was validated on and what it is asked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ImageInputs, Inputs, RowInputs, TextInputs
from components.tasks.images.summaries import SUMMARIES as IMAGE_SUMMARIES
from components.tasks.images.summaries import summarise_images
from components.tasks.rows.summaries import row_summaries, summarise_rows
from components.tasks.texts.summaries import SUMMARIES as TEXT_SUMMARIES
from components.tasks.texts.summaries import summarise_texts


def summary_names(inputs: Inputs) -> tuple[str, ...]:
    """What the columns of :func:`summarise` are called."""
    match inputs:
        case ImageInputs():
            return IMAGE_SUMMARIES
        case TextInputs():
            return TEXT_SUMMARIES
        case RowInputs():
            return row_summaries(inputs)


def summarise(inputs: Inputs, samples: NDArray[Any]) -> NDArray[np.float32]:
    """Summarises each sample by itself.

    Args:
        inputs: what the samples are.
        samples: (samples, *inputs.shape), in their dtype.

    Returns:
        (samples, names) float32, finite.
    """
    match inputs:
        case ImageInputs():
            return summarise_images(samples)
        case TextInputs():
            return summarise_texts(samples, inputs)
        case RowInputs():
            return summarise_rows(inputs, samples)
