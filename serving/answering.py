"""A version that answers a request: the champion, or a canary."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.asked import Asked
from serving.batching import Batcher
from serving.errors import RequestError
from serving.model import Answers, Inferred, ServedModel
from serving.worker import Worker

T = TypeVar("T")


@dataclass(frozen=True)
class Answering:
    """A version that answers a request.

    Attributes:
        worker: that it is in.
        served: the version.
        inputs: what was asked, (samples, *shape of one), as the version reads it.
        batcher: computes its answers.
        seconds: that an inference may take; None: as long as it takes.
    """

    worker: Worker
    served: ServedModel
    inputs: NDArray[Any]
    batcher: Batcher
    seconds: float | None = None

    async def answer(self) -> Answers:
        """What was asked, answered.

        Raises:
            RequestError: too much waits, or the graph gives no numbers.
            TimeoutError: it took too long.
        """
        with self.worker.tracing.part("infer"):
            return Answers(self.served, self.inputs, await self.infer(self.inputs))

    async def infer(self, samples: NDArray[Any]) -> Inferred:
        """What the graph gives for samples that the version reads; raises as :meth:`answer`."""
        async with asyncio.timeout(self.seconds):
            return require_numbers(await self.batcher.infer(self.served, samples))


Work = Callable[[Answering], Awaitable[T]]
"""What a version is asked to do for a request: a single inference, or the many of an explanation."""


async def by_champion(asked: Asked) -> Answering:
    """The champion, for a request that it can read; it does not go before its answers are known.

    Raises:
        RequestError: it cannot read it.
    """
    # Asked once, and not before the body is here: a version that is promoted meanwhile has no part in this request, and
    # one that was replaced is soon used by none.
    asked.request.state.served = served = asked.worker.follower.begin_request()
    return Answering(asked.worker, served, await asked.decoded(served.decoder), asked.worker.batcher)


def require_numbers(inferred: Inferred) -> Inferred:
    """The same, once it was found to be finite.

    Raises:
        RequestError: it is not.
    """
    if not np.isfinite(inferred.answers).all():
        raise RequestError(422, "The model gives no number for this: the values are too far from all that it knows.")
    return inferred
