"""Images: whatever bytes arrive, decoding gives pixels or a RequestError, and never anything else."""

import gc
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from components.contracts import ImageInputs
from serving.decoding import Limits
from serving.decoding.document import read_json
from serving.decoding.images import Expected, decode_files, decode_json, decode_npy, decode_picture
from serving.errors import RequestError


def expected(*, single: bool = True, channels: int = 1) -> Expected:
    inputs = ImageInputs(height=2, width=3, channels=channels, mean=(0.5,) * channels, std=(0.2,) * channels)
    return Expected(inputs, Limits(max_batch=4, max_pixels=1000, single=single))


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["inputs", "b"]), inner, max_size=2),
    max_leaves=20,
)
PIXELS = nps.arrays(np.uint8, (2, 3, 1))
SEVERAL = nps.arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(2), st.just(3), st.just(3)))


@given(PIXELS)
def test_json_and_npy_of_one_sample_give_its_pixels(pixels: np.ndarray) -> None:
    for array in (pixels, pixels[..., 0], pixels.astype(np.int32), pixels.astype(np.float64)):
        assert np.array_equal(decode_npy(npy(array), expected()), pixels[None])
        assert np.array_equal(decode_json(json.dumps({"inputs": array.tolist()}).encode(), expected()), pixels[None])


@given(SEVERAL)
def test_json_and_npy_of_several_samples_give_their_pixels_in_order(pixels: np.ndarray) -> None:
    wanted = expected(single=False, channels=3)
    for array in (pixels, np.asfortranarray(pixels), pixels.astype(">u2")):
        assert np.array_equal(decode_npy(npy(array), wanted), pixels)
    decoded = decode_json(json.dumps({"inputs": pixels.tolist()}).encode(), wanted)
    assert np.array_equal(decoded, pixels)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous


@given(ANY_JSON, st.booleans())
def test_any_json_gives_pixels_or_a_request_error(value: object, single: bool) -> None:
    for document in (value, {"inputs": value}):
        try:
            decoded = decode_json(json.dumps(document).encode(), expected(single=single))
        except RequestError as error:
            assert 400 <= error.status < 500
        else:
            assert decoded.shape[1:] == (2, 3, 1)


@given(st.binary(max_size=200))
def test_any_bytes_give_pixels_or_a_request_error(content: bytes) -> None:
    for decode in (decode_json, decode_npy, decode_picture):
        with pytest.raises(RequestError):
            decode(content, expected())


@given(PIXELS, st.integers(0, 127), st.binary(min_size=1, max_size=12))
def test_npy_with_a_damaged_header_gives_pixels_or_a_request_error(pixels: np.ndarray, at: int, damage: bytes) -> None:
    content = npy(pixels)
    try:
        decoded = decode_npy(content[:at] + damage + content[at + len(damage) :], expected())
    except RequestError as error:
        assert 400 <= error.status < 500
    else:
        assert decoded.shape == (1, 2, 3, 1)


@given(nps.arrays(st.sampled_from([np.int64, np.float64, np.float16, np.uint64]), (2, 3)))
def test_what_is_no_pixel_is_never_made_into_one(array: np.ndarray) -> None:
    valid = bool(((array >= 0) & (array <= 255) & (array == np.floor(array))).all())
    try:
        decoded = decode_npy(npy(array), expected())
    except RequestError:
        assert not valid
    else:
        assert np.array_equal(decoded[0, ..., 0], array)


def test_a_fault_in_one_of_several_files_names_the_file() -> None:
    good = npy(np.zeros((2, 3), np.uint8))
    with pytest.raises(RequestError, match="File 2 of 3"):
        decode_files([good, b"no", good], expected(single=False))


@pytest.mark.parametrize("end", [b"]", b""], ids=["well formed", "malformed"])
def test_no_garbage_is_looked_for_while_a_document_is_read(end: bytes) -> None:
    """Of three million lists, which fit into a body, that took seconds, and nobody was answered meanwhile."""
    searches: list[str] = []
    gc.callbacks.append(watch := lambda phase, _: searches.append(phase))
    try:
        read_json(b"[" + b"[]," * 100_000 + b"0" + end)
    except RequestError:
        assert not end
    finally:
        gc.callbacks.remove(watch)
    assert len(searches) <= 4, "begun and ended, once it is read"
    assert gc.isenabled()


@pytest.mark.parametrize("other", [b"[],", b"{},"])
@pytest.mark.parametrize("single", [True, False])
def test_more_lists_than_any_request_has_are_not_made(single: bool, other: bytes) -> None:
    expected = Expected(ImageInputs(height=8, width=8, channels=1, mean=(0.3,), std=(0.4,)), Limits(64, 100, single))
    with pytest.raises(RequestError, match=r"found more lists than that has\.$"):
        decode_json(b'{"inputs": [' + other * 100_000 + b"[]]}", expected)
    most = np.zeros((1, 8, 8, 1) if single else (64, 8, 8, 1), np.uint8)
    body = json.dumps({"inputs": most[0].tolist() if single else most.tolist()}, indent=200).encode()
    assert len(body) > 2**16
    assert decode_json(body, expected).shape == most.shape
