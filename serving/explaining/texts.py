"""Which tokens of a text mattered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.tasks.texts.tokens import Tokenizer


class TokenErasure:
    """Takes each token out of the text; what follows it moves up.

    Args:
        tokenizer: of the model's package.
    """

    method = (
        "erasure of single tokens (Li et al. 2016, arXiv:1612.08220): how much less the answer is without the token"
    )

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._inputs, self._tokenizer = tokenizer.inputs, tokenizer

    def _places(self, sample: NDArray[Any]) -> NDArray[np.int64]:
        """Of the tokens that stand for text, in order."""
        around = set(self._inputs.special) - {self._inputs.unknown}
        return np.flatnonzero(~np.isin(sample, list(around)))

    def hidden(self, sample: NDArray[Any]) -> Iterator[NDArray[np.int32]]:
        """The text without each of its tokens; none of a text of one token, of which nothing would be left."""
        places = self._places(sample)
        for place in places if len(places) > 1 else ():
            yield np.append(np.delete(sample, place), np.int32(self._inputs.padding))

    def told(self, sample: NDArray[Any], effects: NDArray[np.float32]) -> dict[str, Any]:
        """``tokens``: each with its text, as it stands in what was read, and its effect."""
        texts = self._tokenizer.tokens(sample[self._places(sample)].tolist())
        told = effects if len(effects) else np.zeros(len(texts), np.float32)
        return {
            "tokens": [
                {"text": text, "effect": round(effect, 6)} for text, effect in zip(texts, told.tolist(), strict=True)
            ]
        }
