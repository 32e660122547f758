"""From an image file to the array that the model takes, the same for ingest and server."""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from components.errors import ImageRefused

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Not ImageOps.exif_transpose: it writes the EXIF data anew, and fails where a tag of it is of another type than usual.
UPRIGHT = 1
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(content: bytes, height: int, width: int, channels: int, max_pixels: int) -> NDArray[np.uint8]:
    """Decodes an image file, turns it upright, converts its mode and resizes it (bilinear).

    Args:
        content: the file: PNG, JPEG, WebP or BMP.
        height: of the result, in pixels.
        width: of the result, in pixels.
        channels: 1 for grey, 3 for RGB.
        max_pixels: larger images are refused unread.

    Returns:
        (height, width, channels) uint8.

    Raises:
        ImageRefused: not an image, damaged, too large; says which.
    """
    return fit_image(read_image(content, max_pixels), height, width, channels)


def read_image(content: bytes, max_pixels: int) -> Image.Image:
    """The picture of an image file at its original size: upright, opaque, 8 bits, mode L or RGB.

    Transparent pixels are laid over black. Nothing is decoded before the header's size has been checked.

    Args:
        content: the file: PNG, JPEG, WebP or BMP; of an animation, the first picture.
        max_pixels: larger images are refused unread.

    Raises:
        ImageRefused: not an image, damaged, too large; says which.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return _opaque(_upright(image, max_pixels))
    except UnidentifiedImageError:
        raise ImageRefused(
            "not_an_image", f"not an image: {len(content)} bytes that are none of {', '.join(FORMATS)}"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRefused("too_large", f"too large: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error) as error:  # what Pillow raises
        raise ImageRefused("broken", f"damaged image: {error}") from None


def fit_image(image: Image.Image, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Brings a picture to the model's mode and size (bilinear): (height, width, channels) uint8."""
    converted = image.convert("L" if channels == 1 else "RGB")
    if converted.size != (width, height):
        converted = converted.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(converted, dtype=np.uint8).reshape(height, width, channels)


def _upright(image: Image.Image, max_pixels: int) -> Image.Image:
    if image.width * image.height > max_pixels:
        raise ImageRefused("too_large", f"too large: {image.width} × {image.height} is more than {max_pixels} pixels")
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    return image if turn is None else image.transpose(turn)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
