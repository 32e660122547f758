"""Asking the canary first: what it does is the answer, and what it fails at is left to the champion, and counted."""

import logging
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving.answering import Answering, Work
from serving.asked import Asked
from serving.errors import Overloaded, RequestError
from serving.model import ServedModel
from serving.worker import Worker

CANARY_SECONDS = 5.0
"""A canary that has not ended an inference by then has failed; that a request waits to be decoded is not its doing."""

log = logging.getLogger("tunesmith.serving")

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """The canary did not do what it was asked."""

    worker: Worker
    canary: ServedModel
    error: Exception

    def count(self) -> None:
        """Holds it against the canary."""
        self.worker.canary.ended(self.canary, well=False)
        log.error("The canary, version %s, failed: %s: %s", self.canary.version, type(self.error).__name__, self.error)


@dataclass(frozen=True)
class Trial(Generic[T]):
    """What came of asking the canary.

    Attributes:
        found: of the work; None: the champion is to do all of it.
        refusal: of the canary's; counts, if the champion does not refuse it as well.
    """

    found: T | None = None
    refusal: Failure | None = None


async def by_canary(asked: Asked, work: Work[T]) -> Trial[T]:
    """Has the canary do the work, if the request is its. Raises nothing: the client shall not feel it."""
    canary = asked.worker.canary.choose(asked.sticky_key)
    if canary is None:
        return Trial()
    try:
        found = await _done(asked, canary, work)
    except Overloaded:  # this worker is, whoever answers
        return Trial()
    except RequestError as error:
        return Trial(refusal=Failure(asked.worker, canary, error))
    except Exception as error:  # noqa: BLE001 whatever it is
        Failure(asked.worker, canary, error).count()
        return Trial()
    if found is not None:
        asked.worker.canary.ended(canary, well=True)
    return Trial(found)


async def _done(asked: Asked, canary: ServedModel, work: Work[T]) -> T | None:
    """The work, done by the canary; None: it was taken away in between, and nobody waits for this request."""
    worker = asked.worker
    inputs = await asked.decoded(canary.decoder)
    canary.requests.begin()
    if canary is not worker.challenger.model:
        canary.requests.end()
        return None
    asked.request.state.served = canary
    try:
        return await work(Answering(worker, canary, inputs, worker.canary_batcher.of(canary), CANARY_SECONDS))
    except Exception:
        asked.request.state.served = None
        canary.requests.end()
        raise
