"""Images: a file of any size, or the pixels themselves as JSON or .npy."""

import contextlib
import io
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from components.contracts import ImageInputs
from components.errors import DataError
from components.tasks.images.decoding import decode_image
from serving.decoding.decoder import Limits, Reading
from serving.decoding.document import JSON_KINDS, is_json, read_inputs
from serving.errors import RequestError

NPY_MAGIC = b"\x93NUMPY"
NPY_FIRST = NPY_MAGIC + b"\x01\x00"
"""How a file of version 1.0 begins; the length of its header follows, in two bytes."""
CACHED_BYTES = 256
NPY_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
NPY_TYPES = ("application/x-npy", "application/npy", "application/x-numpy")
MAX_AXES_SHOWN = 8
NOT_NUMBERS = "The inputs must be numbers, each pixel an integer from 0 to 255."
INLINE_BYTES = 2**16
"""Pixels in smaller bodies are read at once; a picture never: a small file can hold very many."""
OTHERS = 100
"""Lists and objects that a large document may hold beside the pixels. They are counted sooner than they are made."""


class ImageDecoder:
    """Reads requests for a model that takes images.

    Args:
        inputs: what the model takes.
    """

    takes = 'an image file (as the body, or as a file of a form), JSON {"inputs": […]} with its pixels, or .npy'
    types = "an image type such as image/png, application/json, application/x-npy, or multipart/form-data"
    forms = True
    has_originals = False

    def __init__(self, inputs: ImageInputs) -> None:
        self.inputs = inputs

    def reading(self, kind: str, body: bytes, limits: Limits) -> Reading | None:
        """How a body is read."""
        expected = Expected(self.inputs, limits)
        if is_json(kind):
            return Reading(lambda content: decode_json(content, expected), INLINE_BYTES)
        if kind in NPY_TYPES or (kind in ("", "application/octet-stream") and body.startswith(NPY_MAGIC)):
            return Reading(lambda content: decode_npy(content, expected), INLINE_BYTES)
        if kind.startswith("image/") or kind in ("", "application/octet-stream"):
            if not limits.single:
                raise RequestError(
                    415, "Send several images as the files of a form: curl -F image=@a.png -F image=@b.png …"
                )
            return Reading(lambda content: decode_picture(content, expected), 0)
        return None

    def originals(self, kind: str, body: bytes, single: bool) -> list[str] | None:
        """None: pixels are all that the model was shown."""
        return None

    def read_files(self, files: list[bytes], limits: Limits) -> NDArray[np.uint8]:
        """One sample from each file of a form."""
        return decode_files(files, Expected(self.inputs, limits))


@dataclass(frozen=True)
class Expected:
    """What one request may hold.

    Attributes:
        inputs: what the model takes.
        limits: of the request.
    """

    inputs: ImageInputs
    limits: Limits

    @property
    def sample(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.inputs.height, self.inputs.width, self.inputs.channels

    @property
    def lists(self) -> int:
        """Most lists that its JSON is made of."""
        height, width, _ = self.sample
        return 1 + self.limits.max_batch * (1 + height * (1 + width))

    @property
    def words(self) -> str:
        """The shape as a sentence names it."""
        height, width, channels = self.sample
        shape = f"({height}, {width}, {channels})" + (f" or ({height}, {width})" if channels == 1 else "")
        return shape if self.limits.single else f"(samples, …) with each sample {shape}"


def decode_files(files: list[bytes], expected: Expected) -> NDArray[np.uint8]:
    """One sample from each file, an image or a .npy array.

    Returns:
        (files, height, width, channels) uint8.

    Raises:
        RequestError: says which file, and what is wrong with it.
    """
    one = Expected(expected.inputs, expected.limits.of_one())
    samples = []
    for number, file in enumerate(files, 1):
        try:
            samples.append(decode_npy(file, one) if file.startswith(NPY_MAGIC) else decode_picture(file, one))
        except RequestError as error:
            if len(files) == 1:
                raise
            raise RequestError(error.status, f"File {number} of {len(files)}: {error}") from None
    return np.concatenate(samples)


def decode_picture(content: bytes, expected: Expected) -> NDArray[np.uint8]:
    """An image file of any size, converted and resized as in training.

    Returns:
        (1, height, width, channels) uint8.

    Raises:
        RequestError: not an image, damaged, or too many pixels.
    """
    try:
        return decode_image(content, *expected.sample, expected.limits.max_pixels)[None]
    except DataError as error:
        raise RequestError(422, f"The image cannot be used: {error}.") from None


def decode_json(body: bytes, expected: Expected) -> NDArray[np.uint8]:
    """An object whose ``inputs`` are nested lists of pixels.

    Returns:
        (samples, height, width, channels) uint8.

    Raises:
        RequestError: malformed JSON (400), or JSON that is no such object (422).
    """
    wanted = f"nested lists of pixels of shape {expected.words}"
    if len(body) > INLINE_BYTES and body.count(b"[") + body.count(b"{") > expected.lists + OTHERS:
        raise RequestError(422, f'Send {{"inputs": […]}}, {wanted}; found more lists than that has.')
    inputs = read_inputs(body, wanted)
    if type(inputs) is not list:
        raise RequestError(422, f'Send {{"inputs": […]}}, {wanted}.')
    return _pixels(_flatten(inputs, expected)).reshape(-1, *expected.sample)


def _flatten(inputs: list[Any], expected: Expected) -> list[Any]:
    """The values of nested lists; no array is made of lists before their lengths are known to be right."""
    if not expected.limits.single:
        expected.limits.check(len(inputs))
    sizes = expected.sample if expected.limits.single else (len(inputs), *expected.sample)
    level: list[Any] = [inputs]
    for axis, size in enumerate(sizes):
        if axis == len(sizes) - 1 and size == 1 and type(level[0]) is not list:
            break  # one channel, left out
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            raise _misshapen(level, axis, size, expected)
        level = list(chain.from_iterable(level))
    return level


def _misshapen(level: list[Any], axis: int, size: int, expected: Expected) -> RequestError:
    item = next(item for item in level if type(item) is not list or len(item) != size)
    found = f"a list of {len(item)}" if type(item) is list else JSON_KINDS[type(item)]
    return RequestError(
        422, f"The inputs must have shape {expected.words}; axis {axis} holds {found}, not a list of {size}."
    )


def _pixels(values: list[Any]) -> NDArray[np.uint8]:
    kinds = set(map(type, values))
    if kinds == {int}:
        with contextlib.suppress(ValueError):  # out of range: the array below says how
            return np.frombuffer(bytes(values), np.uint8)
    if not kinds <= {int, float}:
        raise RequestError(422, NOT_NUMBERS)
    try:
        array = np.array(values, np.float64)
    except OverflowError:
        raise RequestError(
            422, "The inputs hold a number beyond all bounds; each pixel is an integer from 0 to 255."
        ) from None
    _check_values(array)
    return array.astype(np.uint8)


def decode_npy(body: bytes, expected: Expected) -> NDArray[np.uint8]:
    """An array in NumPy's file format, without pickle; the header is held against the body before an array is made.

    Returns:
        (samples, height, width, channels) uint8.

    Raises:
        RequestError: malformed (400), or an array of another kind (422).
    """
    shape, fortran, dtype, offset = _npy_header(body)
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise RequestError(422, f"The array is of dtype {dtype}; send uint8 pixels.")
    _check_shape(shape, expected)
    size = int(np.prod(shape)) * dtype.itemsize
    if len(body) - offset != size:
        raise RequestError(400, f"The .npy header promises {size} bytes of data, and {len(body) - offset} follow it.")
    array: NDArray[Any] = np.frombuffer(body, dtype, offset=offset).reshape(shape, order="F" if fortran else "C")
    return as_samples(array, expected)


def _npy_header(body: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order, dtype, and where the data begin; what numpy.save writes first is known from the last time."""
    length = int.from_bytes(body[8:10], "little")
    if body.startswith(NPY_FIRST) and length <= CACHED_BYTES:
        return _parsed_header(body[: len(NPY_FIRST) + 2 + length])
    return _parsed_header.__wrapped__(body)


@lru_cache(maxsize=64)
def _parsed_header(body: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    file = io.BytesIO(body)
    try:
        read = NPY_HEADERS[npy.read_magic(file)]
        shape, fortran, dtype = read(file)
    except Exception as error:  # noqa: BLE001 numpy evaluates the header as a literal: a crafted one ends in many kinds of exception
        raise RequestError(400, f"The body is not a .npy file as numpy.save writes it: {error}") from None
    return shape, fortran, dtype, file.tell()


def as_samples(array: NDArray[Any], expected: Expected) -> NDArray[np.uint8]:
    """Pixels as the model takes them, from any array that holds the same numbers.

    Raises:
        RequestError: another shape, or values that are no pixels.
    """
    _check_shape(array.shape, expected)
    if array.dtype != np.uint8:
        _check_values(array)
        array = array.astype(np.uint8)
    samples: NDArray[np.uint8] = np.ascontiguousarray(array).reshape(-1, *expected.sample)
    return samples


def _check_shape(shape: tuple[int, ...], expected: Expected) -> None:
    sample = shape if expected.limits.single else shape[1:]
    fits = sample == expected.sample or (expected.sample[2] == 1 and sample == expected.sample[:2])
    if not fits:
        hint = (
            " For several samples ask /predict_batch."
            if expected.limits.single and shape[1:] == expected.sample
            else ""
        )
        raise RequestError(422, f"The array has shape {_shown(shape)}; expected {expected.words}.{hint}")
    if not expected.limits.single:
        expected.limits.check(shape[0])


def _shown(shape: tuple[int, ...]) -> str:
    if len(shape) <= MAX_AXES_SHOWN:
        return str(tuple(shape))
    return f"of {len(shape)} axes"


def _check_values(array: NDArray[Any]) -> None:
    if array.dtype.kind not in "uif":
        raise RequestError(422, NOT_NUMBERS)
    if not np.isfinite(array).all():
        raise RequestError(422, "The inputs hold NaN or infinity; each pixel is an integer from 0 to 255.")
    low, high = array.min(), array.max()
    if low < 0 or high > 255:
        raise RequestError(422, f"The inputs run from {low:g} to {high:g}; each pixel is an integer from 0 to 255.")
    if array.dtype.kind == "f" and (array != np.trunc(array)).any():
        raise RequestError(
            422,
            "The inputs hold fractions; send the pixels as the file has them, integers from 0 to 255:"
            " scaling and normalisation happen inside the model.",
        )
