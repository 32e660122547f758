"""A request whose body is here, and how its samples are read."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray
from starlette.requests import Request

from serving.body import multipart_files
from serving.decoding import Decoder, Limits
from serving.errors import RequestError
from serving.predictions import Sent
from serving.worker import Worker


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
    def kind(self) -> str:
        """Its Content-Type in small letters, without parameters."""
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def sent(self) -> Sent:
        """As it was read."""
        return Sent(self.kind, self.body, self.limits.single)

    @property
    def sticky_key(self) -> str:
        """What requests that belong together have in common: what they say of it, or whose they are."""
        headers, client = self.request.headers, self.request.client
        names = ("x-sticky-key", "authorization", "x-api-key")
        said = next((headers[name] for name in names if name in headers), None)
        return said or (client.host if client else "")

    async def decoded(self, decoder: Decoder) -> NDArray[Any]:
        """Its samples, (samples, *shape of one), as a version reads them.

        Raises:
            RequestError: they cannot be read, or too many requests wait for that.
        """
        with self.worker.tracing.part("decode"):
            return await self._read(decoder)

    async def _read(self, decoder: Decoder) -> NDArray[Any]:
        body, limits, kind, threads = self.body, self.limits, self.kind, self.worker.decoding
        if kind == "multipart/form-data" and decoder.forms:
            files = await multipart_files(body, self.request, 1 if limits.single else limits.max_batch)
            return await threads.decode(partial(decoder.read_files, limits=limits), files)
        reading = decoder.reading(kind, body, limits)
        if reading is None:
            found = f"said to be {kind[:100]}, which this model does not read" if kind else "of no stated type"
            raise RequestError(415, f"The body is {found}. Content-Type must be {decoder.types}.")
        if len(body) > reading.inline_bytes:
            return await threads.decode(reading.decode, body)
        return reading.decode(body)
