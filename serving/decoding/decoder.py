"""What every decoder offers, and what holds for every request."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

from numpy.typing import NDArray

from serving.errors import RequestError


@dataclass(frozen=True)
class Limits:
    """What one request may hold.

    Attributes:
        max_batch: most samples.
        max_pixels: largest image that is decoded.
        single: one sample, or a list of several.
    """

    max_batch: int
    max_pixels: int
    single: bool

    def of_one(self) -> Self:
        """The same, for one sample."""
        return replace(self, max_batch=1, single=True)

    def check(self, samples: int) -> None:
        """Makes sure that there are not too many samples, nor none.

        Raises:
            RequestError: there are.
        """
        if not 1 <= samples <= self.max_batch:
            raise RequestError(
                422, f"The request holds {samples} samples; from 1 to {self.max_batch} are answered at once."
            )


class Reading(NamedTuple):
    """How one body is read.

    Attributes:
        decode: the body -> (samples, *shape of one); raises RequestError.
        inline_bytes: a larger body is decoded beside the event loop, so that nobody waits for it.
    """

    decode: Callable[[bytes], NDArray[Any]]
    inline_bytes: int


class Decoder(Protocol):
    """Reads the requests for one kind of inputs.

    Attributes:
        takes: what a sample may be sent as, in words.
        types: the Content-Types that are read, in words.
        forms: whether the files of a form are read.
        has_originals: whether a sample as a person wrote it says more than its array.
    """

    takes: str
    types: str
    forms: bool
    has_originals: bool

    def reading(self, kind: str, body: bytes, limits: Limits) -> Reading | None:
        """How a body of a Content-Type (in small letters, without parameters) is read; None: it is not."""
        ...

    def originals(self, kind: str, body: bytes, single: bool) -> list[str] | None:
        """Each sample of a body that was read, as a person wrote it; None: its array says all."""
        ...

    def read_files(self, files: list[bytes], limits: Limits) -> NDArray[Any]:
        """One sample from each file of a form, where forms are read."""
        ...
