"""Images for a page that loads nothing: PNG files as data URIs."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE = 160


def png_uri(content: bytes) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def thumbnail(image_hwc: NDArray[np.uint8]) -> str:
    """An image of 1 or 3 channels as a data URI, reduced to :data:`MAX_SIDE` pixels where it is larger."""
    grey = image_hwc.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(image_hwc[:, :, 0] if grey else image_hwc))
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    content = io.BytesIO()
    image.save(content, format="PNG", optimize=True)
    return png_uri(content.getvalue())
