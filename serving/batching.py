"""Natural batching: while one inference runs, samples queue; the next inference takes all that wait.

An idle server answers a single sample at once, a busy one computes larger batches; there is no waiting time to tune.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import Overloaded
from serving.model import Inferred, ServedModel


@dataclass(frozen=True, eq=False)
class _Waiting:
    model: ServedModel
    inputs: NDArray[Any]
    answer: asyncio.Future[Inferred]


class Batcher:
    """Puts samples of many requests into one inference.

    A request is never torn apart, and is answered by the model that it came with: a batch holds requests of one model.
    Used from one event loop; the inference runs in a thread of its own.

    Args:
        max_batch: most samples of one inference.
        max_queue: most samples that wait or are computed.
        observe: told the size of each batch that has ended, and how many samples wait then.
    """

    def __init__(self, max_batch: int, max_queue: int, observe: Callable[[int, int], None]) -> None:
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._samples = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._drain: asyncio.Task[None] | None = None

    async def infer(self, model: ServedModel, inputs: NDArray[Any]) -> Inferred:
        """Answers the samples of one request.

        Args:
            model: computes the answer, whatever is served by then.
            inputs: (samples, *shape of one), valid for that model, at most ``max_batch`` samples.

        Raises:
            Overloaded: the queue is full.
        """
        if self._samples + len(inputs) > self._max_queue:
            raise Overloaded(f"{self._samples} samples are waiting already; ask again in a second.")
        answer: asyncio.Future[Inferred] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(model, inputs, answer))
        self._samples += len(inputs)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            batch = self._take()
            inputs = np.concatenate([item.inputs for item in batch]) if len(batch) > 1 else batch[0].inputs
            try:
                inferred = await loop.run_in_executor(self._thread, batch[0].model.infer, inputs)
            except Exception as error:  # noqa: BLE001 whatever it is, it belongs to those who wait: the queue must go on
                _fail(batch, error)
            else:
                _answer(batch, inferred)
            finally:
                self._samples -= len(inputs)
                self._observe(len(inputs), self._samples)

    def _take(self) -> list[_Waiting]:
        """The longest run of requests, from the first, that have one model and fit into one inference."""
        batch = [self._queue.popleft()]
        size = len(batch[0].inputs)
        while self._queue and self._queue[0].model is batch[0].model:
            size += len(self._queue[0].inputs)
            if size > self._max_batch:
                break
            batch.append(self._queue.popleft())
        return batch

    def abandon(self) -> None:
        """Ends the thread after the inference that it may be at, and waits for nothing."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def close(self) -> None:
        """Answers what still waits, then ends the thread."""
        if self._drain is not None:
            await self._drain
        self._thread.shutdown()


def _answer(batch: list[_Waiting], inferred: Inferred) -> None:
    at = 0
    for item in batch:
        if not item.answer.done():  # its client may have gone
            item.answer.set_result(inferred.part(at, at + len(item.inputs)))
        at += len(item.inputs)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for item in batch:
        if not item.answer.done():
            item.answer.set_exception(error)
