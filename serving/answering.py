"""From the body of a request to the answers: decoded and computed by the champion, or by the canary."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import NDArray
from starlette.requests import Request

from serving.body import multipart_files
from serving.decoding import Decoder, Limits
from serving.errors import Overloaded, RequestError
from serving.model import Inferred, ServedModel
from serving.worker import Worker

log = logging.getLogger("tunesmith.serving")


@dataclass(frozen=True)
class Asked:
    """A request whose body is here.

    Attributes:
        request: of a route.
        body: whole.
        limits: of what it may hold.
    """

    request: Request
    body: bytes
    limits: Limits

    @property
    def worker(self) -> Worker:
        """That answers it."""
        worker: Worker = self.request.app.state.worker
        return worker

    @property
    def sticky_key(self) -> str:
        """What requests that belong together have in common: what they say of it, or whose they are."""
        headers, client = self.request.headers, self.request.client
        names = ("x-sticky-key", "authorization", "x-api-key")
        said = next((headers[name] for name in names if name in headers), None)
        return said or (client.host if client else "")


class Answers(NamedTuple):
    """The answers of a request, and what they were given for.

    Attributes:
        served: the version that gave them.
        inputs: (samples, *shape of one).
        inferred: what its graph gave.
    """

    served: ServedModel
    inputs: NDArray[Any]
    inferred: Inferred


async def by_champion(asked: Asked) -> Answers:
    """The champion's answers.

    Raises:
        RequestError: it has none for this.
    """
    worker = asked.worker
    # Asked once, and not before the body is here: a version that is promoted meanwhile has no part in this request, and
    # one that was replaced is soon used by none.
    asked.request.state.served = served = worker.follower.begin_request()
    answers, seconds = await _answers(asked, served)
    worker.canary.answered(seconds)
    return answers


async def by_canary(asked: Asked) -> Answers | None:
    """The canary's answers; None: this request is not its, or it has failed, and the champion is to answer.

    Raises:
        RequestError: too much waits.
    """
    worker = asked.worker
    canary = worker.canary.choose(asked.sticky_key)
    if canary is None:
        return None
    canary.requests.begin()
    asked.request.state.served = canary
    try:
        answers, seconds = await _answers(asked, canary)
    except Overloaded:
        raise
    except Exception as error:  # noqa: BLE001 whatever it is, the client shall not feel it
        asked.request.state.served = None
        canary.requests.end()
        return await _instead(asked, canary, error)
    worker.canary.ended(canary, seconds)
    return answers


async def _instead(asked: Asked, canary: ServedModel, error: Exception) -> Answers:
    """The champion's answers to what the canary has failed at; what the champion refuses, too, was no failure."""
    answers = await by_champion(asked)
    asked.worker.canary.ended(canary, None)
    if not isinstance(error, RequestError):
        log.error("The canary, version %s, failed: %s: %s", canary.version, type(error).__name__, error)
    return answers


async def _answers(asked: Asked, served: ServedModel) -> tuple[Answers, float]:
    tracing = asked.worker.tracing
    with tracing.part("decode"):
        inputs = await _decode(asked, served.decoder)
    began = time.perf_counter()
    with tracing.part("infer"):
        inferred = await asked.worker.batcher.infer(served, inputs)
    return Answers(served, inputs, inferred), time.perf_counter() - began


async def _decode(asked: Asked, decoder: Decoder) -> NDArray[Any]:
    request, body, limits = asked.request, asked.body, asked.limits
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and decoder.forms:
        files = await multipart_files(body, request, 1 if limits.single else limits.max_batch)
        return await _beside(asked, partial(decoder.read_files, limits=limits), files)
    reading = decoder.reading(kind, body, limits)
    if reading is None:
        found = f"said to be {kind[:100]}, which this model does not read" if kind else "of no stated type"
        raise RequestError(415, f"The body is {found}. Content-Type must be {decoder.types}.")
    if len(body) > reading.inline_bytes:
        return await _beside(asked, reading.decode, body)
    return reading.decode(body)


async def _beside(asked: Asked, decode: Callable[[Any], NDArray[Any]], content: Any) -> NDArray[Any]:
    return await asyncio.get_running_loop().run_in_executor(asked.worker.decoding, decode, content)
