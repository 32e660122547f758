"""What every explanation is made of, and how it is made."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, Target

PIECE = 16
"""So many variants are asked about at once: other requests come between."""
Infer = Callable[[NDArray[Any]], Awaitable[NDArray[np.float32]]]
"""Samples -> (samples, width of the target), the answers."""


class Explainer(Protocol):
    """Hides the parts of a sample.

    Attributes:
        method: by which it is done, with its source, as an answer names it.
    """

    method: str

    def hidden(self, sample: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """The sample with a part hidden, (*shape of one), once for each part; none where nothing can be hidden."""
        ...

    def told(self, sample: NDArray[Any], effects: NDArray[np.float32]) -> dict[str, Any]:
        """The parts and what each did, as JSON.

        Args:
            sample: (*shape of one).
            effects: (variants,) how much less the answer was without the part.
        """
        ...


async def explain(
    explainer: Explainer, sample: NDArray[Any], answer: NDArray[np.float32], target: Target, infer: Infer, most: int
) -> dict[str, Any]:
    """The parts of a sample, with what the answer loses when each is hidden.

    Args:
        explainer: of the model's inputs.
        sample: (*shape of one).
        answer: (width of the target,) for the whole sample.
        target: what is predicted: of classes, the probability of the likeliest is looked at; of a number, the number.
        infer: answers samples.
        most: samples that it answers at once.
    """
    looked_at = int(answer.argmax()) if isinstance(target, ClassTarget) else 0
    hidden, without = explainer.hidden(sample), list[np.float32]()
    while piece := list(islice(hidden, min(PIECE, most))):
        without.extend((await infer(np.stack(piece)))[:, looked_at])
    return {"method": explainer.method, **explainer.told(sample, answer[looked_at] - np.array(without, np.float32))}
