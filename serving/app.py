"""The routes, as a Starlette application; what they need is the Worker in ``app.state.worker``."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.body import multipart_files
from serving.decoding import NPY_MAGIC, Expected, decode_files, decode_json, decode_npy, decode_picture
from serving.errors import RequestError
from serving.instrument import Instrumented
from serving.metrics import CONTENT_TYPE
from serving.model import ServedModel
from serving.worker import Worker

INLINE_BYTES = 2**16
"""Arrays in smaller bodies are read at once; what may take longer goes to a thread and keeps nobody waiting."""
ROUTES = {
    "POST /predict": 'one sample: an image file (as the body or as a file of a form), JSON {"inputs": […]}, or .npy',
    "POST /predict_batch": 'several samples: a form with image files, JSON {"inputs": [[…], …]}, or .npy',
    "GET /model": "the version that answers, what it takes, and what came of the last look at the registry",
    "GET /readyz": "200 once a version answers",
    "GET /livez": "200 while the process lives",
    "GET /metrics": "for Prometheus",
}
SAY_KIND = (
    "Say what the body is with Content-Type: an image type such as image/png, application/json, application/x-npy,"
    " or multipart/form-data."
)


async def index(request: Request) -> Response:
    """What this server is, and where to ask."""
    return JSONResponse({"service": "tunesmith", "model": _worker(request).name, "routes": ROUTES})


async def model(request: Request) -> Response:
    """The version that answers, and what came of following."""
    worker = _worker(request)
    following = worker.follower.following
    return JSONResponse(
        {
            "name": worker.name,
            **_described(worker.follower.model),
            "following": {
                "registry": worker.registry.address,
                "looked": following.looked,
                "error": following.error,
                "rejected": following.rejected,
            },
        }
    )


def _described(served: ServedModel | None) -> dict[str, Any]:
    if served is None:
        return {"version": None}
    signature = served.signature
    return {
        "version": served.version,
        "digest": served.digest,
        "since": served.since,
        "task": signature.task,
        "labels": signature.labels,
        "input": {
            "height": signature.height,
            "width": signature.width,
            "channels": signature.channels,
            "dtype": "uint8",
        },
    }


async def metrics(request: Request) -> Response:
    """All workers' measures."""
    return Response(await asyncio.to_thread(_worker(request).metrics.exposition), media_type=CONTENT_TYPE)


async def predict(request: Request) -> Response:
    """One sample."""
    served, probabilities = await _answers(request, single=True)
    return _answer(request, served, _prediction(served, probabilities[0]))


async def predict_batch(request: Request) -> Response:
    """Several samples, all answered by one version."""
    served, probabilities = await _answers(request, single=False)
    return _answer(request, served, {"predictions": [_prediction(served, row) for row in probabilities]})


async def _answers(request: Request, *, single: bool) -> tuple[ServedModel, NDArray[np.float32]]:
    worker = _worker(request)
    served = worker.follower.model  # read once: a version that is promoted meanwhile has no part in this request
    if served is None:
        raise RequestError(503, worker.follower.following.error or "No version is loaded yet.", {"Retry-After": "2"})
    expected = Expected(served.signature, worker.settings.max_batch, worker.settings.max_pixels, single)
    async with worker.bodies.read(request) as body:
        inputs = await _decode(request, body, expected)
    return served, await worker.batcher.infer(served, inputs)


async def _decode(request: Request, body: bytes, expected: Expected) -> NDArray[np.uint8]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        files = await multipart_files(body, request, 1 if expected.single else expected.max_batch)
        return await _beside(request, decode_files, files, expected)
    decode = _decoder(kind, body)
    if decode is decode_picture:
        if not expected.single:
            raise RequestError(
                415, "Send several images as the files of a form: curl -F image=@a.png -F image=@b.png …"
            )
        return await _beside(request, decode, body, expected)
    if len(body) > INLINE_BYTES:
        return await _beside(request, decode, body, expected)
    return decode(body, expected)


def _decoder(kind: str, body: bytes) -> Callable[[bytes, Expected], NDArray[np.uint8]]:
    if kind == "application/json" or kind.endswith("+json"):
        return decode_json
    if kind in ("application/x-npy", "application/npy", "application/x-numpy"):
        return decode_npy
    if kind.startswith("image/"):
        return decode_picture
    if kind in ("", "application/octet-stream"):
        return decode_npy if body.startswith(NPY_MAGIC) else decode_picture
    raise RequestError(415, f"The body is said to be {kind[:100]}, which this server does not read. {SAY_KIND}")


async def _beside(
    request: Request, decode: Callable[[Any, Expected], NDArray[np.uint8]], content: Any, expected: Expected
) -> NDArray[np.uint8]:
    thread = _worker(request).decoding
    return await asyncio.get_running_loop().run_in_executor(thread, decode, content, expected)


def _prediction(served: ServedModel, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    shares = [round(value, 6) for value in probabilities.tolist()]
    best = max(range(len(shares)), key=shares.__getitem__)
    labels = served.signature.labels
    return {
        "label": labels[best],
        "confidence": shares[best],
        "probabilities": dict(zip(labels, shares, strict=True)),
    }


def _answer(request: Request, served: ServedModel, content: dict[str, Any]) -> Response:
    version = served.version
    return JSONResponse(
        {**content, "version": version, "request_id": request.state.request_id},
        headers={"X-Model-Version": str(version)},
    )


def _worker(request: Request) -> Worker:
    worker: Worker = request.app.state.worker
    return worker


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestError):
        return _error(request, error.status, str(error), error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=499)  # nobody hears it; the metrics count it
    if isinstance(error, HTTPException):  # Starlette's own: no such route, or not with this method
        sentence = f"{request.method} {request.url.path[:100]} is not answered here; GET / lists what is."
        return _error(request, error.status_code, sentence, dict(error.headers or {}))
    return _error(request, 500, "The server failed; its log says why under this request id.", {})


def _error(request: Request, status: int, sentence: str, headers: dict[str, str]) -> Response:
    content = {"error": sentence, "request_id": request.state.request_id}
    return JSONResponse(content, status_code=status, headers=headers)


def build_app() -> Instrumented:
    """The application; answers nothing before ``app.state.worker`` is set."""
    app = Starlette(
        routes=[
            Route("/", index),
            Route("/model", model),
            Route("/metrics", metrics),
            Route("/predict", predict, methods=["POST"]),
            Route("/predict_batch", predict_batch, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((RequestError, ClientDisconnect, HTTPException, Exception), _refused),
    )
    return Instrumented(app)
