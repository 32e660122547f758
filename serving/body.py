"""The bytes of a request, taken in with limits on size and time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from serving.errors import Overloaded, RequestError

DEADLINE_SECONDS = 20.0
BODIES_AT_ONCE = 16
"""A worker holds at most so many times the largest body in memory."""
LINGER = 4
"""A body up to so many times too large is read to its end, unheard, so that the client is there to read the answer."""


class BodyReader:
    """Reads bodies; knows how many bytes all of them hold together.

    Args:
        max_bytes: of one body.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request, most: int | None = None) -> AsyncIterator[bytes]:
        """The whole body, counted while it arrives: neither Content-Length nor its absence is believed.

        Its bytes count as held until the block ends.

        Args:
            request: whose body nobody has read yet.
            most: bytes that it may have, where that is less than every body may.

        Raises:
            RequestError: too large, too slow, or empty; too many bodies at once.
        """
        chunks: list[bytes] = []
        try:
            await self._collect_in_time(request, chunks, min(most or self._max_bytes, self._max_bytes))
            if not chunks:
                raise RequestError(400, "The body is empty; GET / says what may be sent.")
            chunks[:] = [b"".join(chunks)]  # or the pieces would be held beside the whole
            yield chunks[0]
        finally:
            self._held -= sum(map(len, chunks))

    async def _collect_in_time(self, request: Request, chunks: list[bytes], most: int) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._collect(request, chunks, most)
        except TimeoutError:
            sentence = f"The body did not arrive within {DEADLINE_SECONDS:.0f} seconds."
            raise RequestError(408, sentence, {"Connection": "close"}) from None

    async def _collect(self, request: Request, chunks: list[bytes], most: int) -> None:
        declared = request.headers.get("content-length", "0")
        if int(declared) > LINGER * most:  # the parser of HTTP lets only digits through
            raise self._too_large(most)
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > LINGER * most:
                break
            if size <= most and chunk:
                if self._held + len(chunk) > BODIES_AT_ONCE * self._max_bytes:
                    raise Overloaded("Too many large bodies arrive at once; ask again in a second.")
                self._held += len(chunk)
                chunks.append(chunk)
        if size > most:
            raise self._too_large(most)

    def _too_large(self, most: int) -> RequestError:
        which = " (TUNESMITH_MAX_BODY_BYTES)" if most == self._max_bytes else ""
        sentence = f"The body is larger than {most} bytes{which}."
        return RequestError(413, sentence, {"Connection": "close"})


class FormParser(MultiPartParser):
    """Takes a part that says it is of another type than text for a file, named or not (RFC 7578, section 4.2)."""

    def on_headers_finished(self) -> None:
        """Gives a file without a name one, as Starlette knows files by it."""
        part = self._current_part
        kind = next((value for name, value in part.item_headers if name == b"content-type"), b"text/plain")
        named = b"filename" in parse_options_header(part.content_disposition)[1]
        if part.content_disposition and not named and not kind.strip().lower().startswith(b"text/"):
            part.content_disposition += b'; filename="file"'
        super().on_headers_finished()


async def multipart_files(body: bytes, request: Request, max_files: int) -> list[bytes]:
    """The files of a multipart form, in order; whatever their fields are called.

    Raises:
        RequestError: not a form, no file in it, or too many.
    """
    parser = FormParser(request.headers, _once(body), max_files=max_files, max_fields=16)
    parser.spool_max_size = len(body) + 1  # never on disk: the body is in memory and bounded
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RequestError(400, f"The multipart form cannot be read: {error.message}") from None
    except UnicodeError:  # Starlette takes the codec that the client names, and expects what most of them raise
        sentence = "The multipart form cannot be read: a name in it is not of the charset that its Content-Type names."
        raise RequestError(400, sentence) from None
    files = [await value.read() for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files:
        raise RequestError(400, "The form holds no file: send the image as a file, e.g. curl -F image=@shoe.png …")
    return files


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
