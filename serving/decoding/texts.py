"""Texts: as JSON, or one as the plain body."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.tasks.texts.tokens import Tokenizer
from serving.decoding.decoder import Limits, Reading
from serving.decoding.document import JSON_KINDS, is_json, read_samples
from serving.errors import RequestError

INLINE_BYTES = 2**12
"""Tokens of a larger body take more than a millisecond."""


class TextDecoder:
    """Reads requests for a model that takes texts.

    Args:
        tokenizer: of the model's package.
    """

    takes = 'JSON {"inputs": "a text"}, or the text itself as text/plain'
    types = "application/json, or text/plain in UTF-8"
    forms = False
    has_originals = True

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def reading(self, kind: str, body: bytes, limits: Limits) -> Reading | None:
        """How a body is read."""
        if is_json(kind):
            return Reading(lambda content: self._documents(content, limits), INLINE_BYTES)
        if kind == "text/plain":
            if not limits.single:
                raise RequestError(415, 'Send several texts as JSON {"inputs": ["a text", "another"]}.')
            return Reading(self._plain, INLINE_BYTES)
        return None

    def originals(self, kind: str, body: bytes, single: bool) -> list[str] | None:
        """The texts: tokens do not lead back to them."""
        return _texts(body, single) if is_json(kind) else [_plain_text(body)]

    def read_files(self, files: list[bytes], limits: Limits) -> NDArray[np.int32]:
        """Forms are not read."""
        raise RequestError(415, f"Texts are not sent as files. Content-Type must be {self.types}.")

    def _plain(self, body: bytes) -> NDArray[np.int32]:
        text = _plain_text(body)
        _check_content(text, "The text")
        return self._encode([text])

    def _documents(self, body: bytes, limits: Limits) -> NDArray[np.int32]:
        texts = _texts(body, limits.single)
        limits.check(len(texts))
        for number, text in enumerate(texts, 1):
            _check_text(text, number)
        return self._encode(texts)

    def _encode(self, texts: list[str]) -> NDArray[np.int32]:
        return self.tokenizer.encode(texts)


def _plain_text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")  # a byte order mark at the beginning, as some editors write, is no letter
    except UnicodeDecodeError as error:
        raise RequestError(400, f"The text is not UTF-8: {error}") from None


def _texts(body: bytes, single: bool) -> list[Any]:
    return read_samples(body, single, "a text", "a list of texts")


def _check_text(text: Any, number: int) -> None:
    if type(text) is not str:
        raise RequestError(422, f"Input {number} must be a text; found {JSON_KINDS[type(text)]}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(422, f"Input {number} is no valid Unicode: {error.reason} at {error.start}.") from None
    _check_content(text, f"Input {number}")


def _check_content(text: str, name: str) -> None:
    if not text or text.isspace():
        raise RequestError(422, f"{name} is empty; there is nothing to answer about.")
