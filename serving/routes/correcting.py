"""What an answer should have been."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.feedback import read_correction
from serving.routes.asking import admitted


async def feedback(request: Request) -> Response:
    """Takes the true label or value of a sample that was answered."""
    worker = admitted(request, "predict")
    async with worker.bodies.read(request) as body:
        correction = read_correction(body, worker.follower.require_model().signature.target)
    version = await worker.feedback.take(correction)
    return JSONResponse({"request_id": correction.request_id, "sample": correction.sample, "version": version}, 201)
