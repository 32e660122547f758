"""What an answer should have been."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.contracts import Target
from serving.feedback import read_correction
from serving.routes.asking import admitted
from serving.worker import Worker

CORRECTION_BYTES = 2**16
"""Of the largest correction, which is read at once: nobody else is answered meanwhile."""


async def feedback(request: Request) -> Response:
    """Takes the true label or value of a sample that was answered."""
    worker = admitted(request, "predict")
    async with worker.bodies.read(request, CORRECTION_BYTES) as body:
        correction = read_correction(body, _targets(worker))
    version = await worker.feedback.take(correction)
    return JSONResponse({"request_id": correction.request_id, "sample": correction.sample, "version": version}, 201)


def _targets(worker: Worker) -> list[Target]:
    """Of the versions that may have answered."""
    models = (worker.follower.require_model(), worker.challenger.model)
    return [model.signature.target for model in models if model]
