"""Bodies that take long to decode: none waits longer than it may, and none is forgotten."""

import asyncio
import threading
import time

import pytest

from serving.decoding.threads import DecodingThreads
from serving.errors import Overloaded, RequestError


def slowly(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_who_would_wait_too_long_is_refused_at_once() -> None:
    async def ask() -> None:
        decoding = DecodingThreads(2, 0.3)
        await decoding.decode(slowly, 0.02)  # it learns its pace, of so much at least
        asked = [asyncio.create_task(decoding.decode(slowly, 0.02)) for _ in range(1000)]
        await asyncio.sleep(0)  # each has begun
        errors = [task.exception() for task in asked if task.done()]
        assert 1000 - 2 - 30 <= len(errors) < 1000 - 2, "two are decoded, and no more than thirty wait for them"
        for error in errors:
            assert isinstance(error, Overloaded)
            assert error.status == 503
            assert error.headers["Retry-After"]
        await asyncio.gather(*asked, return_exceptions=True)
        assert await decoding.decode(slowly, 0.01) == 0.01, "afterwards all is as before"
        decoding.close()

    asyncio.run(ask())


def test_who_has_waited_too_long_is_refused_though_the_pace_was_unknown() -> None:
    async def ask() -> None:
        decoding, let = DecodingThreads(1, 0.1), threading.Event()
        hung = asyncio.create_task(decoding.decode(lambda event: event.wait(), let))
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(Overloaded):
            await decoding.decode(slowly, 0)
        assert 0.1 <= time.monotonic() - began < 5
        let.set()
        assert await hung
        assert await decoding.decode(slowly, 0) == 0
        decoding.close()

    asyncio.run(ask())


def test_a_request_that_is_given_up_holds_its_thread_until_that_is_done() -> None:
    async def ask() -> None:
        decoding, begun, let = DecodingThreads(1, 1.0), threading.Event(), threading.Event()
        gone = asyncio.create_task(decoding.decode(lambda _: begun.set() or let.wait(), b""))
        await asyncio.to_thread(begun.wait)  # what no thread has taken yet would be cancelled with it
        gone.cancel()
        with pytest.raises(Overloaded):
            await decoding.decode(slowly, 0)
        let.set()
        assert await decoding.decode(slowly, 0) == 0
        decoding.close()

    asyncio.run(ask())


def test_what_cannot_be_decoded_frees_its_thread() -> None:
    def refuse(content: bytes) -> None:
        raise RequestError(422, "The image cannot be used.")

    async def ask() -> None:
        decoding = DecodingThreads(1, 10.0)
        for _ in range(3):
            with pytest.raises(RequestError, match="cannot be used"):
                await decoding.decode(refuse, b"")
        assert await decoding.decode(slowly, 0) == 0
        decoding.close()

    asyncio.run(ask())
