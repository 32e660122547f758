"""From the body of a request to the answers: decoded and computed by the champion, or by the canary."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from serving.body import multipart_files
from serving.decoding import Decoder, Limits
from serving.errors import Overloaded, RequestError
from serving.model import Inferred, ServedModel
from serving.worker import Worker

CANARY_SECONDS = 5.0
"""A canary that has no answer by then has failed."""

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


async def decoded_for_champion(asked: Asked) -> tuple[ServedModel, NDArray[Any]]:
    """The champion, and the samples as it reads them; it does not go before its answers are known.

    Raises:
        RequestError: it cannot read them.
    """
    # Asked once, and not before the body is here: a version that is promoted meanwhile has no part in this request, and
    # one that was replaced is soon used by none.
    asked.request.state.served = served = asked.worker.follower.begin_request()
    return served, await _decode(asked, served.decoder)


async def inferred_by_champion(worker: Worker, served: ServedModel, inputs: NDArray[Any]) -> Inferred:
    """What its graph gives.

    Raises:
        RequestError: too much waits, or it gives no numbers.
    """
    with worker.tracing.part("infer"):
        return require_numbers(await worker.batcher.infer(served, inputs))


async def by_canary(asked: Asked) -> Answers | None:
    """The canary's answers; None: this request is not its, or it has failed, and the champion is to answer."""
    worker = asked.worker
    canary = worker.canary.choose(asked.sticky_key)
    if canary is None:
        return None
    canary.requests.begin()
    if canary is not worker.challenger.model:  # it was taken away in between, and nobody waits for this request
        canary.requests.end()
        return None
    asked.request.state.served = canary
    try:
        async with asyncio.timeout(CANARY_SECONDS):
            inputs = await _decode(asked, canary.decoder)
            inferred = require_numbers(await worker.canary_batcher.infer(canary, inputs))
    except Exception as error:  # noqa: BLE001 whatever it is, the client shall not feel it
        asked.request.state.served = None
        canary.requests.end()
        await _failed(asked, canary, error)
        return None
    worker.canary.ended(canary, well=True)
    return Answers(canary, inputs, inferred)


async def _failed(asked: Asked, canary: ServedModel, error: Exception) -> None:
    """Counts a failure of the canary, unless the champion cannot read the request either.

    Raises:
        RequestError: it cannot; says why.
    """
    if isinstance(error, RequestError) and not isinstance(error, Overloaded):
        await _decode(asked, asked.worker.follower.require_model().decoder)
    asked.worker.canary.ended(canary, well=False)
    log.error("The canary, version %s, failed: %s: %s", canary.version, type(error).__name__, error)


def require_numbers(inferred: Inferred) -> Inferred:
    """The same, once it was found to be finite.

    Raises:
        RequestError: it is not.
    """
    if not np.isfinite(inferred.answers).all():
        raise RequestError(422, "The model gives no number for this: the values are too far from all that it knows.")
    return inferred


async def _decode(asked: Asked, decoder: Decoder) -> NDArray[Any]:
    with asked.worker.tracing.part("decode"):
        return await _read(asked, decoder)


async def _read(asked: Asked, decoder: Decoder) -> NDArray[Any]:
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
