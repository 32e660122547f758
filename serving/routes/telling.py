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
        case ClassTarget(labels=labels):
            shares = answers.astype(np.float64).round(DECIMALS)
            rows, best = shares.tolist(), shares.argmax(axis=1).tolist()
            return [
                {"label": labels[place], "confidence": row[place], "probabilities": probabilities}
                for row, place, probabilities in zip(rows, best, _told(labels, shares, rows, shown), strict=True)
            ]
        case ValueTarget():
            return [{"value": value, "name": target.name} for value in answers[:, 0].tolist()]


def _told(
    labels: tuple[str, ...], shares: NDArray[np.float64], rows: list[list[float]], shown: int | None
) -> list[dict[str, float]]:
    """The classes that are told of: all in their order, or the most probable ones first."""
    if shown is None or shown >= len(labels):
        return [dict(zip(labels, row, strict=True)) for row in rows]
    likely = np.argsort(-shares, axis=1, kind="stable")[:, :shown].tolist()
    return [{labels[place]: row[place] for place in places} for row, places in zip(rows, likely, strict=True)]


def answer(request: Request, served: ServedModel, content: dict[str, Any]) -> Response:
    """The answer of a version to a request."""
    told = {**content, "version": served.version, "request_id": request.state.request_id}
    return Response(orjson.dumps(told), media_type="application/json")
