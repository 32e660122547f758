"""Bodies that a schema cannot describe: image files and arrays, as schemathesis sends them."""

import io

import numpy as np
import schemathesis
from hypothesis import strategies as st
from PIL import Image
from schemathesis import Case, HookContext

from tests.package_factory import SIDE

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/bmp": "BMP"}


def picture(form: str, width: int, height: int, grey: int) -> bytes:
    """An image file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (grey, 10, 200)).save(file, form)
    return file.getvalue()


def array(value: int) -> bytes:
    """A .npy file of one image."""
    file = io.BytesIO()
    np.save(file, np.full((SIDE, SIDE, 1), value, np.uint8))
    return file.getvalue()


@schemathesis.hook
def filter_case(context: HookContext, case: Case) -> bool:
    """Leaves out files that are to be wrong, as those that are made here are right, and arrays of several images.

    schemathesis knows one strategy for a media type; the other tests have the rest.
    """
    kind = case.media_type or ""
    is_wrong = case.meta is not None and case.meta.generation.mode.is_negative
    is_list = case.path == "/predict_batch" and kind == "application/x-npy"
    return not (is_list or (is_wrong and kind.startswith(("image/", "application/x-npy"))))


SIZES, GREYS = st.integers(1, 40), st.integers(0, 255)
for kind, form in FORMATS.items():
    schemathesis.openapi.media_type(kind, st.builds(picture, st.just(form), SIZES, SIZES, GREYS))
schemathesis.openapi.media_type("application/x-npy", st.builds(array, GREYS))
