"""Which split a sample belongs to: a pure function of the hash of its content.

The content of an image is the picture as it was taken: upright, opaque, RGB, at its original size. So a sample keeps
its split when it is renamed, stripped of its metadata, stored in another lossless format, or resized by other params;
and the same picture is never in two splits. With hashes of the file's bytes a copy with other metadata could leak from
train into test; with hashes of the resized array every change of ``ingest.source.height`` would deal all samples anew.

The content of a text is its words as they are written; of a row, its features. Not the label: what is known of a sample
must not move it, and the same features with another target belong to the same split.
"""

import hashlib
import json
import math
import unicodedata
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.contracts import Split

ID_DIGITS = 16


def content_sha256(rgb_hwc: NDArray[np.uint8]) -> str:
    """The hash that names a picture, in hexadecimal.

    Args:
        rgb_hwc: (height, width, 3) uint8; grey pictures have three equal channels.
    """
    height, width, _ = rgb_hwc.shape
    return hashlib.sha256(b"%dx%d RGB\n" % (width, height) + rgb_hwc.tobytes()).hexdigest()


def text_sha256(text: str) -> str:
    """The hash that names a text, in hexadecimal.

    The same for texts that differ only in white space or in how Unicode composes their letters (form NFC).

    Args:
        text: valid Unicode: no half of a surrogate pair.
    """
    words = unicodedata.normalize("NFC", " ".join(text.split()))
    return hashlib.sha256(b"text\n" + words.encode()).hexdigest()


def row_sha256(features: Mapping[str, float | str]) -> str:
    """The hash that names a row, in hexadecimal; the order of the columns is no part of it, their names are.

    Args:
        features: numbers, finite or NaN where missing, and categories.
    """
    values = {name: _canonical(value) for name, value in features.items()}
    return hashlib.sha256(b"row\n" + json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _canonical(value: float | str) -> float | str | None:
    """What is written of a value: nothing for NaN, and one zero for both of them."""
    if isinstance(value, str):
        return value
    return None if math.isnan(value) else value + 0.0


def split_of(digits: str, test_share: float | None, validation_share: float) -> Split:
    """The split of a sample.

    A larger share keeps the samples of a smaller one. The draws for test and for validation are independent.

    Args:
        digits: sha256 of the sample's content in hexadecimal, or its id, which begins with the same sixteen digits.
        test_share: share of all samples that is kept for test; None: the source has a test split of its own.
        validation_share: share of the others that is kept for validation.
    """
    if test_share is not None and draw_for_test(digits) < test_share:
        return "test"
    return "validation" if draw_for_validation(digits) < validation_share else "train"


def untraceable(test_share: float | None, champion_share: float | None) -> str | None:
    """Why nobody can tell which test samples a champion was trained on: a sentence; None: it can be told.

    Args:
        test_share: of the data that the samples are from; None: the source has a test split of its own.
        champion_share: of the data that the champion was trained on, likewise.
    """
    if champion_share is None and test_share is not None:
        return (
            "Its data came with a test split of its own, so nobody can tell which of these samples it was trained on."
        )
    return None


def held_out(ids: NDArray[np.str_], *test_shares: float | None) -> NDArray[np.bool_]:
    """(samples,) which of the test samples were kept from the training of every one of some models.

    Under a smaller ``ingest.test_share`` a part of today's test samples was training data.

    Args:
        ids: (samples,) of test samples.
        test_shares: those that the models were trained under; None: a source with a test split of its own. There is
            nothing :func:`untraceable` between them.
    """
    share = min((share for share in test_shares if share is not None), default=None)
    return np.array([share is None or draw_for_test(sample) < share for sample in ids], dtype=np.bool_)


def draw_for_test(digits: str) -> float:
    """Where a sample stands in [0, 1): a test sample for every share above that. Digits as for :func:`split_of`."""
    return int(digits[:8], 16) / 2**32


def draw_for_validation(digits: str) -> float:
    """Where a sample stands in [0, 1) when the validation split is drawn."""
    return int(digits[8:ID_DIGITS], 16) / 2**32
