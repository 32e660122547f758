"""Answers from the champion, or from a canary."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering, Work, by_champion
from serving.asked import Asked
from serving.decoding import Limits
from serving.model import ServedModel
from serving.predictions import answered
from serving.routes.asking import admitted, worker_of
from serving.routes.telling import answer, predictions, shown_classes
from serving.shadow import Pair
from serving.trial import by_canary

T = TypeVar("T")


async def predict(request: Request) -> Response:
    """One sample."""
    shown = shown_classes(request)
    served, answers = await _answers(request, single=True)
    return answer(request, served, predictions(served.signature.target, answers, shown)[0])


async def predict_batch(request: Request) -> Response:
    """Several samples, all answered by one version."""
    shown = shown_classes(request)
    served, answers = await _answers(request, single=False)
    return answer(request, served, {"predictions": predictions(served.signature.target, answers, shown)})


async def _answers(request: Request, *, single: bool) -> tuple[ServedModel, NDArray[np.float32]]:
    worker = admitted(request, "predict")
    asked, answers, is_canary = await done(request, Answering.answer, single=single)
    name, settings = request.state.request_id, worker.settings
    if settings.log_predictions:
        worker.log.add(answered(name, request.state.began, answers, asked.sent if settings.log_inputs else None))
    champion, challenger = worker.follower.model, worker.challenger.model
    if champion and challenger and champion.reading == challenger.reading:
        worker.shadow.add(Pair(name, champion, challenger, answers.inputs), by_canary=is_canary)
    return answers.served, answers.inferred.answers


async def done(request: Request, work: Work[T], *, single: bool) -> tuple[Asked, T, bool]:
    """Has the canary or the champion do the work that a request asks for.

    Returns:
        What was asked, what came of the work, and whether it was the canary who did it.

    Raises:
        RequestError: the champion cannot do it either.
    """
    worker = worker_of(request)
    async with worker.bodies.read(request) as body:
        asked = Asked(request, body, Limits(worker.settings.max_batch, worker.settings.max_pixels, single))
        trial = await by_canary(asked, work)
        if trial.found is not None:
            return asked, trial.found, True
        champion = await by_champion(asked)
    found = await work(champion)
    if trial.refusal:
        trial.refusal.count()
    return asked, found, False
