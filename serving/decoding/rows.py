"""Rows: JSON objects with a value for each column."""

import json

import numpy as np
from numpy.typing import NDArray

from components.contracts import RowInputs
from components.errors import RowRefused
from components.tasks.rows.encoding import encode_rows
from serving.decoding.decoder import Limits, Reading
from serving.decoding.document import JSON_KINDS, is_json, read_samples
from serving.errors import RequestError

INLINE_BYTES = 2**14
ROW, ROWS = "an object with a value for each column", "a list of objects, each with a value for each column"


class RowDecoder:
    """Reads requests for a model that takes rows.

    Args:
        inputs: what the model takes.
    """

    takes = 'JSON {"inputs": {"column": value, …}}'
    types = "application/json"
    forms = False
    has_originals = True

    def __init__(self, inputs: RowInputs) -> None:
        self.inputs = inputs

    def reading(self, kind: str, body: bytes, limits: Limits) -> Reading | None:
        """How a body is read."""
        return Reading(lambda content: self._documents(content, limits), INLINE_BYTES) if is_json(kind) else None

    def originals(self, kind: str, body: bytes, single: bool) -> list[str] | None:
        """The rows as JSON: a category that the model does not know has no number."""
        return [json.dumps(row) for row in read_samples(body, single, ROW, ROWS)]

    def read_files(self, files: list[bytes], limits: Limits) -> NDArray[np.float32]:
        """Forms are not read."""
        raise RequestError(415, f"Rows are not sent as files. Content-Type must be {self.types}.")

    def _documents(self, body: bytes, limits: Limits) -> NDArray[np.float32]:
        rows = read_samples(body, limits.single, ROW, ROWS)
        limits.check(len(rows))
        for number, row in enumerate(rows, 1):
            if type(row) is not dict:
                raise RequestError(422, f"Input {number} must be {ROW}; found {JSON_KINDS[type(row)]}.")
        try:
            return encode_rows(rows, self.inputs)
        except RowRefused as error:
            raise RequestError(422, str(error)) from None
