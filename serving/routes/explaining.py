"""Why an answer was given."""

import asyncio
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering
from serving.errors import Overloaded, RequestError
from serving.explaining import explain as explained
from serving.model import Answers
from serving.routes.asking import admitted
from serving.routes.predicting import done
from serving.routes.telling import answer, predictions, shown_classes

EXPLAINING_SECONDS = 20.0


async def explain(request: Request) -> Response:
    """One sample, and what of it the answer was given for; one at a time, as it takes many inferences."""
    admitted(request, "predict")
    shown = shown_classes(request)
    _, (answers, why), _ = await done(request, _explained, single=True)
    (prediction,) = predictions(answers.served.signature.target, answers.inferred.answers, shown)
    return answer(request, answers.served, {**prediction, "explanation": why})


async def _explained(answering: Answering) -> tuple[Answers, dict[str, Any]]:
    """The answer to one sample, and what of the sample it was given for."""
    worker, served = answering.worker, answering.served
    if worker.explaining.locked():  # asked now, as a slow body holds nobody else up
        raise Overloaded("Another answer is being explained; ask again in a second.")

    async def infer(samples: NDArray[Any]) -> NDArray[np.float32]:
        return (await answering.infer(samples)).answers

    limit = asyncio.timeout(EXPLAINING_SECONDS)
    try:
        async with worker.explaining, limit:
            answers = await answering.answer()
            whole, target, most = answers.inferred.answers[0], served.signature.target, worker.settings.max_batch
            return answers, await explained(served.explainer, answers.inputs[0], whole, target, infer, most)
    except TimeoutError:
        if not limit.expired():  # a single inference took too long
            raise
        sentence = f"To explain an answer of this model takes more than {EXPLAINING_SECONDS:.0f} seconds here."
        raise RequestError(503, sentence, {"Retry-After": "60"}) from None
