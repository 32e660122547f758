"""What every explanation is made of, and how it is made."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, Target

Infer = Callable[[NDArray[Any]], Awaitable[NDArray[np.float32]]]
"""Samples -> (samples, width of the target), the answers."""


class Explainer(Protocol):
    """Hides the parts of a sample.

    Attributes:
        method: by which it is done, with its source, as an answer names it.
    """

    method: str

    def hidden(self, sample: NDArray[Any]) -> NDArray[Any]:
        """The sample with a part hidden, once for each: (variants, *shape of one); none where nothing can be hidden."""
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
    hidden = explainer.hidden(sample)
    parts = [await infer(hidden[start : start + most]) for start in range(0, len(hidden), most)]
    without = np.concatenate([part[:, looked_at] for part in parts]) if parts else np.empty(0, np.float32)
    return {"method": explainer.method, **explainer.told(sample, answer[looked_at] - without)}
