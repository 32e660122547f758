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
from serving.pace import Pace


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
        max_wait: a request that would be answered after so many seconds is refused at once, as far as the pace of late
            tells; one for which nothing else waits is always taken.
        observe: told the size of each batch that has ended, and how many samples wait then.
    """

    def __init__(self, max_batch: int, max_queue: int, max_wait: float, observe: Callable[[int, int], None]) -> None:
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._max_wait = max_wait
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._samples = 0
        self._pace = Pace()  # of a sample, when there is no end of them
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._drain: asyncio.Task[None] | None = None

    async def infer(self, model: ServedModel, inputs: NDArray[Any]) -> Inferred:
        """Answers the samples of one request.

        Args:
            model: computes the answer, whatever is served by then.
            inputs: (samples, *shape of one), valid for that model, at most ``max_batch`` samples.

        Raises:
            Overloaded: too much waits already.
        """
        self._admit(len(inputs))
        answer: asyncio.Future[Inferred] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(model, inputs, answer))
        self._samples += len(inputs)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._work())
        return await answer

    def _admit(self, count: int) -> None:
        wait = self._pace.of(self._samples + count)
        if self._samples + count > self._max_queue or (self._samples and wait > self._max_wait):
            raise Overloaded(f"{self._samples} samples are waiting already; ask again in a second.")

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            batch = self._take()
            inputs = np.concatenate([item.inputs for item in batch]) if len(batch) > 1 else batch[0].inputs
            began, is_full = loop.time(), bool(self._queue)
            try:
                inferred = await loop.run_in_executor(self._thread, batch[0].model.infer, inputs)
            except Exception as error:  # noqa: BLE001 whatever it is, it belongs to those who wait: the queue must go on
                _fail(batch, error)
            else:
                _answer(batch, inferred)
            finally:
                self._samples -= len(inputs)
                self._learn((loop.time() - began) / len(inputs), is_full=is_full)
                self._observe(len(inputs), self._samples)

    def _learn(self, seconds: float, *, is_full: bool) -> None:
        """A small batch takes longer for each sample than those of a queue would, so it tells only that all is well."""
        known = self._pace.seconds
        if is_full or (known is not None and seconds < known):
            self._pace.learn(seconds)

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


class FreshBatcher:
    """A batcher for one model after another: each has a thread of its own, so one that hangs holds no later one.

    Args:
        make: makes a batcher.
    """

    def __init__(self, make: Callable[[], Batcher]) -> None:
        self._make = make
        self._model: ServedModel | None = None
        self._batcher: Batcher | None = None

    def of(self, model: ServedModel) -> Batcher:
        """The batcher of a model; that of the model before is abandoned."""
        if self._batcher is None or self._model is not model:
            self.abandon()
            self._model, self._batcher = model, self._make()
        return self._batcher

    def abandon(self) -> None:
        """Waits for nothing."""
        if self._batcher is not None:
            self._batcher.abandon()


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
