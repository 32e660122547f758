"""Answers from the champion, or from a canary."""

from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering, Work, by_champion
from serving.asked import Asked
from serving.decoding import Limits
from serving.model import ServedModel
from serving.predictions import Sent, answered
from serving.routes.asking import admitted, worker_of
from serving.routes.telling import answer, predictions, shown_classes
from serving.shadow import Pair
from serving.trial import Trial, by_canary

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
    sent, answers, is_canary = await done(request, Answering.answer, single=single)
    name = request.state.request_id
    if worker.settings.log_predictions:
        worker.log.add(answered(name, request.state.began, answers, sent))
    champion, challenger = worker.follower.model, worker.challenger.model
    if champion and challenger and champion.reading == challenger.reading:
        worker.shadow.add(Pair(name, champion, challenger, answers.inputs), by_canary=is_canary)
    return answers.served, answers.inferred.answers


async def done(request: Request, work: Work[T], *, single: bool) -> tuple[Sent | None, T, bool]:
    """Has the canary or the champion do the work that a request asks for.

    Returns:
        What was sent, where inputs are kept, what came of the work, and whether it was the canary who did it.

    Raises:
        RequestError: the champion cannot do it either.
    """
    sent, trial, champion = await _begun(request, work, single)
    if champion is None:
        return sent, cast("T", trial.found), True
    found = await work(champion)
    if trial.refusal:
        trial.refusal.count()
    return sent, found, False


async def _begun(request: Request, work: Work[T], single: bool) -> tuple[Sent | None, Trial[T], Answering | None]:
    """What can be done while the body is held: however long an answer is waited for, nobody holds it then."""
    worker = worker_of(request)
    async with worker.bodies.read(request) as body:
        asked = Asked(request, body, Limits(worker.settings.max_batch, worker.settings.max_pixels, single))
        trial = await by_canary(asked, work)
        champion = await by_champion(asked) if trial.found is None else None
        return asked.sent if worker.settings.log_inputs else None, trial, champion
