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
        await decoding.decode(slowly, 0.02)  # it learns its pace

        async def timed() -> float:
            began = time.monotonic()
            try:
                await decoding.decode(slowly, 0.02)
            except Overloaded as error:
                assert error.status == 503
                assert error.headers["Retry-After"]
                return time.monotonic() - began
            return -1.0

        refused = [seconds for seconds in await asyncio.gather(*(timed() for _ in range(1000))) if seconds >= 0]
        assert 900 < len(refused) < 990, "some thirty of 0.02 s each wait for two threads"
        assert max(refused[-500:]) < 0.1, "at once"
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
        decoding, let = DecodingThreads(1, 0.1), threading.Event()
        gone = asyncio.create_task(decoding.decode(lambda event: event.wait(), let))
        await asyncio.sleep(0.01)
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
