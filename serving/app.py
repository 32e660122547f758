"""The routes, as a Starlette application; what they need is the Worker in ``app.state.worker``."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.api_keys import Role
from components.contracts import ClassTarget, Target, ValueTarget
from serving.body import multipart_files
from serving.decoding import Decoder, Limits
from serving.errors import RequestError, encodable
from serving.feedback import read_correction
from serving.instrument import Instrumented
from serving.metrics import CONTENT_TYPE
from serving.model import ServedModel
from serving.predictions import answered
from serving.worker import Worker

ROUTES = {
    "POST /predict": "one sample; ?top=3 tells of the three most probable classes alone",
    "POST /predict_batch": 'several samples: a JSON list under "inputs"; of images also the files of a form, or .npy',
    "POST /feedback": 'what an answer should have been: {"request_id": …, "label": …}, or "value" of a number',
    "GET /model": "the version that answers, what it takes, what the last look at the registry gave, and all workers",
    "GET /readyz": "200 once a version answers",
    "GET /livez": "200 while the process lives",
    "GET /metrics": "for Prometheus",
}


async def index(request: Request) -> Response:
    """What this server is, and where to ask."""
    worker = _worker(request)
    served = worker.follower.model
    takes = {"takes": served.decoder.takes} if served else {}
    return JSONResponse({"service": "tunesmith", "model": worker.name, **takes, "routes": ROUTES})


async def model(request: Request) -> Response:
    """The version that answers, and what came of following."""
    worker = _admitted(request, "admin")
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
            "workers": worker.states.workers().model_dump(mode="json"),
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
        "takes": served.decoder.takes,
        "inputs": signature.inputs.model_dump(mode="json"),
        "target": signature.target.model_dump(mode="json"),
    }


async def metrics(request: Request) -> Response:
    """All workers' measures."""
    return Response(await asyncio.to_thread(_admitted(request, "admin").metrics.exposition), media_type=CONTENT_TYPE)


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
    worker = _admitted(request, "predict")
    limits = Limits(worker.settings.max_batch, worker.settings.max_pixels, single)
    async with worker.bodies.read(request) as body:
        # Asked once, and not before the body is here: a version that is promoted meanwhile has no part in this request,
        # and one that was replaced is soon used by none.
        request.state.served = served = worker.follower.begin_request()
        inputs = await _decode(request, body, served.decoder, limits)
    inferred = await worker.batcher.infer(served, inputs)
    if worker.settings.log_predictions:
        worker.log.add(answered(request.state.request_id, request.state.began, served, inputs, inferred))
    return served, inferred.answers


async def feedback(request: Request) -> Response:
    """What an answer should have been."""
    worker = _admitted(request, "predict")
    async with worker.bodies.read(request) as body:
        correction = read_correction(body, worker.follower.require_model().signature.target)
    version = await worker.feedback.take(correction)
    return JSONResponse({"request_id": correction.request_id, "sample": correction.sample, "version": version}, 201)


async def _decode(request: Request, body: bytes, decoder: Decoder, limits: Limits) -> NDArray[Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and decoder.forms:
        files = await multipart_files(body, request, 1 if limits.single else limits.max_batch)
        return await _beside(request, partial(decoder.read_files, limits=limits), files)
    reading = decoder.reading(kind, body, limits)
    if reading is None:
        found = f"said to be {kind[:100]}, which this model does not read" if kind else "of no stated type"
        raise RequestError(415, f"The body is {found}. Content-Type must be {decoder.types}.")
    if len(body) > reading.inline_bytes:
        return await _beside(request, reading.decode, body)
    return reading.decode(body)


async def _beside(request: Request, decode: Callable[[Any], NDArray[Any]], content: Any) -> NDArray[Any]:
    thread = _worker(request).decoding
    return await asyncio.get_running_loop().run_in_executor(thread, decode, content)


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


def _admitted(request: Request, role: Role) -> Worker:
    """What the route needs, for who may ask it.

    Raises:
        RequestError: this one may not.
    """
    worker = _worker(request)
    worker.access.admit(request, role)
    return worker


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
    content = {"error": encodable(sentence), "request_id": request.state.request_id}
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
            Route("/feedback", feedback, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((RequestError, ClientDisconnect, HTTPException, Exception), _refused),
    )
    return Instrumented(app)
