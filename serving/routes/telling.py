"""How an answer is told."""

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from components.contracts import ClassTarget, Target, ValueTarget
from serving.errors import RequestError
from serving.model import ServedModel

DECIMALS = 6
"""Of a probability."""


def shown_classes(request: Request) -> int | None:
    """How many classes an answer tells of: ``?top=``; None: all.

    Raises:
        RequestError: it is no such number.
    """
    given = request.query_params.get("top")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and 1 <= len(given) <= 9 and int(given) >= 1):
        raise RequestError(422, f"?top= is how many classes are told of, from 1; found {given[:20]!r}.")
    return int(given)


def predictions(target: Target, answers: NDArray[np.float32], shown: int | None) -> list[dict[str, Any]]:
    """What is told of each sample; of classes the most probable ones alone, where so many are asked for."""
    match target:
        case ClassTarget(labels=labels) if shown is not None and shown < len(labels):
            likely = _likely(answers, shown)
            rows = _rounded(np.take_along_axis(answers, likely, axis=1))
            named = [[labels[place] for place in places] for places in likely.tolist()]
            return [
                {"label": names[0], "confidence": row[0], "probabilities": dict(zip(names, row, strict=True))}
                for names, row in zip(named, rows, strict=True)
            ]
        case ClassTarget(labels=labels):
            rows, best = _rounded(answers), answers.argmax(axis=1).tolist()
            return [
                {"label": labels[place], "confidence": row[place], "probabilities": dict(zip(labels, row, strict=True))}
                for row, place in zip(rows, best, strict=True)
            ]
        case ValueTarget():
            return [{"value": value, "name": target.name} for value in answers[:, 0].tolist()]


def _rounded(shares: NDArray[np.float32]) -> list[list[float]]:
    rows: list[list[float]] = shares.astype(np.float64).round(DECIMALS).tolist()
    return rows


def _likely(answers: NDArray[np.float32], shown: int) -> NDArray[np.intp]:
    """The places of the most probable classes of each sample, the first of them first: (samples, shown)."""
    if shown == 1:  # most batches are asked for their labels alone
        best: NDArray[np.intp] = answers.argmax(axis=1, keepdims=True)
        return best
    return np.argsort(-answers, axis=1, kind="stable")[:, :shown]


def answer(request: Request, served: ServedModel, content: dict[str, Any]) -> Response:
    """The answer of a version to a request."""
    told = {**content, "version": served.version, "request_id": request.state.request_id}
    return Response(orjson.dumps(told), media_type="application/json")
