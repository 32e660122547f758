"""Answers from the champion, and why they were given."""

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

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


async def predict(request: Request) -> Response:
    """One sample."""
    shown = _shown_classes(request)
    served, answers = await _answers(request, single=True)
    return _answer(request, served, _prediction(served.signature.target, answers[0], shown))


async def predict_batch(request: Request) -> Response:
    """Several samples, all answered by one version."""
    shown = _shown_classes(request)
    served, answers = await _answers(request, single=False)
    target = served.signature.target
    return _answer(request, served, {"predictions": [_prediction(target, answer, shown) for answer in answers]})


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
    if worker.explaining.locked():
        raise Overloaded("Another answer is being explained; ask again in a second.")
    async with worker.explaining:
        served, inputs, inferred, is_canary = await _inferred(request, single=True)
        batcher = worker.canary_batcher if is_canary else worker.batcher

        async def infer(samples: NDArray[Any]) -> NDArray[np.float32]:
            return (await batcher.infer(served, samples)).answers

        answer, target = inferred.answers[0], served.signature.target
        try:
            async with asyncio.timeout(EXPLAINING_SECONDS):
                why = await explained(served.explainer, inputs[0], answer, target, infer, worker.settings.max_batch)
        except TimeoutError:
            sentence = f"To explain an answer of this model takes more than {EXPLAINING_SECONDS:.0f} seconds here."
            raise RequestError(503, sentence, {"Retry-After": "60"}) from None
    return _answer(request, served, {**_prediction(target, answer, shown), "explanation": why})


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


def _prediction(target: Target, answer: NDArray[np.float32], shown: int | None) -> dict[str, Any]:
    match target:
        case ClassTarget(labels=labels):
            shares = [round(value, 6) for value in answer.tolist()]
            best = max(range(len(shares)), key=shares.__getitem__)
            told = {"label": labels[best], "confidence": shares[best]}
            if shown is None or shown >= len(labels):
                return told | {"probabilities": dict(zip(labels, shares, strict=True))}
            likely = sorted(range(len(shares)), key=shares.__getitem__, reverse=True)[:shown]
            return told | {"probabilities": {labels[place]: shares[place] for place in likely}}
        case ValueTarget():
            return {"value": answer.item(), "name": target.name}


def _answer(request: Request, served: ServedModel, content: dict[str, Any]) -> Response:
    return JSONResponse({**content, "version": served.version, "request_id": request.state.request_id})
