"""Answers from the champion, and why they were given."""

import asyncio
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from components.contracts import ClassTarget, Target, ValueTarget
from serving.answering import Asked, by_canary, decoded_for_champion, inferred_by_champion
from serving.decoding import Limits
from serving.errors import Overloaded, RequestError
from serving.explaining import explain as explained
from serving.model import Inferred, ServedModel
from serving.predictions import answered
from serving.routes.asking import admitted, worker_of
from serving.shadow import Pair

EXPLAINING_SECONDS = 20.0
DECIMALS = 6
"""Of a probability."""


async def predict(request: Request) -> Response:
    """One sample."""
    shown = _shown_classes(request)
    served, answers = await _answers(request, single=True)
    return _answer(request, served, _predictions(served.signature.target, answers, shown)[0])


async def predict_batch(request: Request) -> Response:
    """Several samples, all answered by one version."""
    shown = _shown_classes(request)
    served, answers = await _answers(request, single=False)
    return _answer(request, served, {"predictions": _predictions(served.signature.target, answers, shown)})


async def _answers(request: Request, *, single: bool) -> tuple[ServedModel, NDArray[np.float32]]:
    worker = admitted(request, "predict")
    served, inputs, inferred, is_canary = await _inferred(request, single=single)
    name = request.state.request_id
    if worker.settings.log_predictions:
        worker.log.add(answered(name, request.state.began, served, inputs, inferred))
    champion, challenger = worker.follower.model, worker.challenger.model
    if champion and challenger and champion.reading == challenger.reading:
        worker.shadow.add(Pair(name, champion, challenger, inputs), by_canary=is_canary)
    return served, inferred.answers


async def _inferred(request: Request, *, single: bool) -> tuple[ServedModel, NDArray[Any], Inferred, bool]:
    """Who answers a request, what was asked, what the graph gives; and whether it was the canary."""
    worker = worker_of(request)
    async with worker.bodies.read(request) as body:
        asked = Asked(request, body, Limits(worker.settings.max_batch, worker.settings.max_pixels, single))
        if answers := await by_canary(asked):
            return *answers, True
        served, inputs = await decoded_for_champion(asked)
    return served, inputs, await inferred_by_champion(worker, served, inputs), False


async def explain(request: Request) -> Response:
    """One sample, and what of it the answer was given for; one at a time, as it takes many inferences."""
    worker = admitted(request, "predict")
    shown = _shown_classes(request)
    served, inputs, inferred, is_canary = await _inferred(request, single=True)  # a slow body holds nobody else up
    if worker.explaining.locked():
        raise Overloaded("Another answer is being explained; ask again in a second.")
    batcher = worker.canary_batcher if is_canary else worker.batcher

    async def infer(samples: NDArray[Any]) -> NDArray[np.float32]:
        return (await batcher.infer(served, samples)).answers

    answer, target = inferred.answers[0], served.signature.target
    try:
        async with worker.explaining, asyncio.timeout(EXPLAINING_SECONDS):
            why = await explained(served.explainer, inputs[0], answer, target, infer, worker.settings.max_batch)
    except TimeoutError:
        sentence = f"To explain an answer of this model takes more than {EXPLAINING_SECONDS:.0f} seconds here."
        raise RequestError(503, sentence, {"Retry-After": "60"}) from None
    (prediction,) = _predictions(target, inferred.answers, shown)
    return _answer(request, served, {**prediction, "explanation": why})


def _shown_classes(request: Request) -> int | None:
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


def _predictions(target: Target, answers: NDArray[np.float32], shown: int | None) -> list[dict[str, Any]]:
    """What is told of each sample."""
    match target:
        case ClassTarget(labels=labels):
            shares = answers.astype(np.float64).round(DECIMALS)
            count = len(labels) if shown is None else min(shown, len(labels))
            best = shares.argmax(axis=1)
            confidences = shares[np.arange(len(shares)), best].tolist()
            likely = _likely(shares, count)
            return [
                {"label": labels[place], "confidence": confidence, "probabilities": dict(zip(names, told, strict=True))}
                for place, confidence, names, told in zip(
                    best.tolist(),
                    confidences,
                    ([labels[each] for each in row] for row in likely.tolist()),
                    np.take_along_axis(shares, likely, axis=1).tolist(),
                    strict=True,
                )
            ]
        case ValueTarget():
            return [{"value": value, "name": target.name} for value in answers[:, 0].tolist()]


def _likely(shares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Places of the classes that are told of, (samples, count): all in their order, or the most probable ones first."""
    if count == shares.shape[1]:
        return np.broadcast_to(np.arange(count), shares.shape)
    return np.argsort(-shares, axis=1, kind="stable")[:, :count]


def _answer(request: Request, served: ServedModel, content: dict[str, Any]) -> Response:
    answer = {**content, "version": served.version, "request_id": request.state.request_id}
    return Response(orjson.dumps(answer), media_type="application/json")
