"""Bodies as ASGI hands them over, piece by piece: limits on size, time and what a worker holds together."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.types import Message

from serving import body
from serving.body import BODIES_AT_ONCE, LINGER, BodyReader, multipart_files
from serving.errors import RequestError

Receive = Callable[[], Awaitable[Message]]


def arriving(pieces: AsyncIterator[bytes], headers: tuple[tuple[bytes, bytes], ...] = ()) -> Request:
    async def receive() -> Message:
        piece = await anext(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return Request({"type": "http", "method": "POST", "headers": list(headers)}, receive)


async def pieces(*sizes: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size
        await asyncio.sleep(pause)


async def size_of(reader: BodyReader, request: Request) -> int:
    async with reader.read(request) as content:
        return len(content)


def refused(reader: BodyReader, request: Request) -> RequestError:
    with pytest.raises(RequestError) as error:
        asyncio.run(size_of(reader, request))
    return error.value


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    reader = BodyReader(100)
    assert asyncio.run(size_of(reader, arriving(pieces(60, 40)))) == 100
    assert refused(reader, arriving(pieces(60, 41))).status == 413
    assert asyncio.run(size_of(reader, arriving(pieces(100)))) == 100, "a refused body is not held"


def test_an_endless_body_is_not_read_to_its_end() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 50
            yield bytes(50)

    assert refused(BodyReader(100), arriving(endless())).status == 413
    assert taken <= LINGER * 100 + 50


def test_an_honest_length_is_enough_to_refuse() -> None:
    never = arriving(pieces(1, pause=1000), ((b"content-length", b"401"),))
    assert refused(BodyReader(100), never).status == 413


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "DEADLINE_SECONDS", 0.05)
    error = refused(BodyReader(100), arriving(pieces(1, 1, pause=5)))
    assert error.status == 408
    assert error.headers["Connection"] == "close"


def test_bodies_that_are_held_together_are_bounded() -> None:
    reader = BodyReader(100)

    async def hold() -> None:
        held = [reader.read(arriving(pieces(100))) for _ in range(BODIES_AT_ONCE)]
        for one in held:
            await one.__aenter__()
        with pytest.raises(RequestError, match="at once") as error:
            await size_of(reader, arriving(pieces(1)))
        assert error.value.status == 503
        await held[0].__aexit__(None, None, None)
        assert await size_of(reader, arriving(pieces(100))) == 100

    asyncio.run(hold())


def test_a_body_of_a_route_that_takes_less_is_refused() -> None:
    reader = BodyReader(1000)

    async def read(size: int) -> None:
        async with reader.read(arriving(pieces(size)), 100):
            pass

    asyncio.run(read(100))
    with pytest.raises(RequestError, match=r"larger than 100 bytes\.$") as error:
        asyncio.run(read(101))
    assert error.value.status == 413


def test_a_body_of_many_pieces_is_held_once() -> None:
    async def held() -> int:
        async with BodyReader(2**23).read(arriving(pieces(*[2**16] * 128))) as content:
            assert len(content) == 2**23
            return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        assert asyncio.run(held()) < 1.2 * 2**23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("charset", ["undefined", "punycode", "idna", "no-such", "hex"])
def test_no_codec_that_a_client_names_is_the_servers_fault(charset: str) -> None:
    kind = f"multipart/form-data; boundary=b; charset={charset}".encode()
    part = b'Content-Disposition: form-data; name="\xff-"; filename="a.png"\r\nContent-Type: image/png'
    form = b"--b\r\n" + part + b"\r\n\r\npixels\r\n--b--\r\n"
    request = arriving(pieces(), ((b"content-type", kind),))
    try:
        assert asyncio.run(multipart_files(form, request, 1)) == [b"pixels"]
    except RequestError as error:
        assert error.status == 400
        assert "charset" in str(error)
