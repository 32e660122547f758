import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from components.errors import ImageRefused
from components.tasks.images.decoding import decode_image, read_image

LARGEST = 10_000
GREY = np.arange(24 * 20, dtype=np.uint32).reshape(24, 20).astype(np.uint8)
COLOUR = np.stack([GREY, GREY.T.reshape(24, 20), 255 - GREY], axis=2)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(content: bytes, channels: int, size: tuple[int, int] = (24, 20)) -> NDArray[np.uint8]:
    return decode_image(content, *size, channels, LARGEST)


def png(width: int, height: int, depth: int = 8, colour: int = 0, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_give_the_pixels_back(kind: str, options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(COLOUR), kind, **options), 3), COLOUR)
    grey = decoded(encoded(Image.fromarray(GREY), kind, **options), 1)
    np.testing.assert_array_equal(grey[..., 0], GREY)


def test_jpeg_gives_nearly_the_pixels_back() -> None:
    smooth = np.add.outer(np.arange(24), np.arange(20)).astype(np.uint8) * 5
    given = decoded(encoded(Image.fromarray(smooth), "JPEG", quality=95), 1)[..., 0]
    assert np.abs(given.astype(int) - smooth).max() <= 4


def test_grey_becomes_three_equal_channels_and_colour_becomes_luma() -> None:
    three = decoded(encoded(Image.fromarray(GREY), "PNG"), 3)
    np.testing.assert_array_equal(three, np.repeat(GREY[..., None], 3, axis=2))
    red = Image.new("RGB", (20, 24), (255, 0, 0))
    assert set(np.unique(decoded(encoded(red, "PNG"), 1))) == {76}  # 0.299 · 255, ITU-R BT.601


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_png(mode: str, channels: int) -> None:
    white = Image.new("L", (20, 24), 255).convert(mode)
    given = decoded(encoded(white, "PNG"), channels)
    assert given.shape == (24, 20, channels)
    assert given.dtype == np.uint8
    assert (given == 255).all()


def test_palette_colours_not_indices() -> None:
    image = Image.new("P", (20, 24), 3)
    image.putpalette([0, 0, 0] * 3 + [10, 20, 30] + [0, 0, 0] * 252)
    assert decoded(encoded(image, "PNG"), 3)[0, 0].tolist() == [10, 20, 30]


def test_sixteen_bits_keep_their_upper_eight() -> None:
    deep = (GREY.astype(np.uint16) << 8) + 255
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(deep), "PNG"), 1)[..., 0], GREY)


def test_cmyk_jpeg() -> None:
    cyan = Image.new("CMYK", (20, 24), (255, 0, 0, 0))
    given = decoded(encoded(cyan, "JPEG", quality=95), 3)[0, 0]
    assert given[0] < 10
    assert given[1] > 245
    assert given[2] > 245


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_lie_over_black(mode: str) -> None:
    image = Image.new(mode, (20, 24), (200, 200, 200, 0)[-len(mode) :])
    image.putpixel((0, 0), (200, 200, 200, 128)[-len(mode) :])
    given = decoded(encoded(image, "PNG"), 1)
    assert given[5, 5, 0] == 0
    assert given[0, 0, 0] == 100


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_lies_over_black(mode: str) -> None:
    image = Image.new(mode, (20, 24), 7 if mode != "RGB" else (7, 7, 7))
    transparent = encoded(image, "PNG", transparency=7 if mode != "RGB" else (7, 7, 7))
    assert (decoded(transparent, 3) == 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_it_upright(orientation: int) -> None:
    upright = np.zeros((24, 20), np.uint8)
    upright[:8, :8] = 255
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(Image.fromarray(np.ascontiguousarray(turn(upright))), "PNG", exif=exif)
    np.testing.assert_array_equal(decoded(stored, 1)[..., 0], upright)


@pytest.mark.parametrize(("tag", "kind"), [(0x11A, 1), (0x100, 2), (0x101, 11), (0x10E, 11), (0x8769, 3)])
def test_odd_metadata_does_not_cost_the_picture(tag: int, kind: int) -> None:
    entries = struct.pack("<HHI4s", 0x0112, 3, 1, b"\6\0\0\0") + struct.pack("<HHI4s", tag, kind, 1, b"ab\0\0")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    stored = encoded(Image.fromarray(np.rot90(GREY)), "PNG", exif=exif)
    np.testing.assert_array_equal(decoded(stored, 1)[..., 0], GREY)


def test_any_size_is_resized() -> None:
    half = np.repeat([0, 255], 50).astype(np.uint8)[None].repeat(60, axis=0)
    given = decoded(encoded(Image.fromarray(half), "PNG"), 1, size=(12, 10))
    assert given.shape == (12, 10, 1)
    assert (given[:, :4] == 0).all()
    assert (given[:, 6:] == 255).all()


def test_the_first_picture_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (20, 24), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert decoded(content, 3)[0, 0].tolist() == [255, 0, 0]


def test_the_original_keeps_its_size_and_mode() -> None:
    assert read_image(encoded(Image.fromarray(GREY), "PNG"), LARGEST).mode == "L"
    assert read_image(encoded(Image.fromarray(COLOUR), "PNG"), LARGEST).size == (20, 24)


def refusal(content: bytes, largest: int = LARGEST) -> ImageRefused:
    with pytest.raises(ImageRefused) as error:
        decode_image(content, 24, 20, 1, largest)
    return error.value


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_truncated_file_is_broken(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20), np.uint8))
    content = encoded(noise, kind)
    assert refusal(content[: len(content) // 2]).reason == "broken"


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a" + bytes(30), b"%PDF-1.7", b"<svg/>"])
def test_what_is_no_image_is_told(content: bytes) -> None:
    error = refusal(content)
    assert error.reason == "not_an_image"
    assert "none of PNG, JPEG, WEBP, BMP" in str(error)


@pytest.mark.parametrize(("width", "height"), [(101, 100), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_unread(width: int, height: int) -> None:
    assert refusal(png(width, height)).reason == "too_large"


def test_a_bomb_stays_refused_where_the_limit_is_high_and_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refusal(png(10_000, 10_000), largest=2**31).reason == "too_large"
    assert refusal(png(30_000, 30_000), largest=2**31).reason == "too_large"


def test_an_image_at_the_limit_is_read() -> None:
    white = png(100, 100, rows=(b"\0" + b"\xff" * 100) * 100)
    assert (decoded(white, 1) == 255).all()


SEEDS = [
    encoded(Image.fromarray(COLOUR), "PNG"),
    encoded(Image.fromarray(GREY), "PNG", transparency=3),
    encoded(Image.fromarray(COLOUR), "JPEG"),
    encoded(Image.fromarray(COLOUR), "WEBP"),
    encoded(Image.fromarray(COLOUR), "BMP"),
    encoded(Image.fromarray(COLOUR).convert("P"), "PNG"),
]
EXIF = Image.Exif()
EXIF[0x0112] = 6
SEEDS += [encoded(Image.fromarray(COLOUR), kind, exif=EXIF) for kind in ("PNG", "JPEG", "WEBP")]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8))
def test_damaged_files_are_decoded_or_refused(seed: bytes, changes: list[tuple[float, int]]) -> None:
    content = bytearray(seed)
    for place, value in changes:
        content[int(place * len(content))] = value
    try:
        assert decoded(bytes(content), 3).shape == (24, 20, 3)
    except ImageRefused as error:
        assert str(error)


def test_threads_share_nothing() -> None:
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda seed: decoded(seed, 3).tobytes(), SEEDS * 20))
    assert results == results[: len(SEEDS)] * 20
    assert warnings.filters == before
