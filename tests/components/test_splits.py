import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.splits import (
    ID_DIGITS,
    content_sha256,
    draw_for_test,
    draw_for_validation,
    row_sha256,
    split_of,
    text_sha256,
)

DIGESTS = st.binary(min_size=4, max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())
SHARES = st.floats(0, 0.5)
MANY = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]


def test_the_hash_and_the_split_of_a_picture_never_change() -> None:
    picture = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)
    digest = content_sha256(picture)
    assert digest == hashlib.sha256(b"3x4 RGB\n" + bytes(range(36))).hexdigest()
    assert draw_for_test("80000000" + "c" * 56) == 0.5
    assert draw_for_validation("0" * 8 + "40000000" + "f" * 48) == 0.25


def test_the_shape_is_part_of_the_content() -> None:
    pixels = np.zeros((2, 8, 3), np.uint8)
    assert content_sha256(pixels) != content_sha256(pixels.reshape(8, 2, 3))


def test_the_hash_of_a_text_never_changes() -> None:
    assert text_sha256("Caf\u00e9 au lait") == hashlib.sha256("text\nCaf\u00e9 au lait".encode()).hexdigest()


@pytest.mark.parametrize("text", ["Cafe\u0301 au lait", "  Caf\u00e9\n au\u00a0lait\t", "Caf\u00e9   au lait"])
def test_white_space_and_composition_are_no_part_of_a_text(text: str) -> None:
    assert text_sha256(text) == text_sha256("Caf\u00e9 au lait")


@pytest.mark.parametrize("text", ["caf\u00e9 au lait", "Cafe au lait", "Caf\u00e9 aulait", "Caf\u00e9 au lait."])
def test_another_text_has_another_hash(text: str) -> None:
    assert text_sha256(text) != text_sha256("Caf\u00e9 au lait")


def test_the_hash_of_a_row_never_changes() -> None:
    expected = hashlib.sha256(b'row\n{"colour": "red", "length": null, "weight": 1.5}').hexdigest()
    assert row_sha256({"weight": 1.5, "colour": "red", "length": math.nan}) == expected


def test_a_row_is_its_names_and_values_in_any_order() -> None:
    row = {"a": 0.0, "b": "0"}
    assert row_sha256({"b": "0", "a": -0.0}) == row_sha256(row)
    others = [{"a": 0.0, "c": "0"}, {"a": "0", "b": 0.0}, {"a": math.nan, "b": "0"}, {"a": 5e-324, "b": "0"}]
    assert len({row_sha256(other) for other in [row, *others]}) == 5


@given(DIGESTS, SHARES, SHARES, SHARES)
def test_a_larger_test_share_keeps_the_samples_of_a_smaller_one(digest: str, a: float, b: float, other: float) -> None:
    small, large = sorted([a, b])
    if split_of(digest, small, other) == "test":
        assert split_of(digest, large, other) == "test"


@given(DIGESTS, SHARES, SHARES)
def test_an_id_tells_the_split_as_its_hash_does(digest: str, test: float, validation: float) -> None:
    for identity in (digest[:ID_DIGITS], f"{digest[:ID_DIGITS]}-12"):
        assert split_of(identity, test, validation) == split_of(digest, test, validation)


def test_no_share_for_test_means_no_test_samples() -> None:
    assert {split_of(digest, None, 0.5) for digest in MANY} == {"train", "validation"}


def test_shares_are_kept_and_the_draws_are_independent() -> None:
    splits = np.array([split_of(digest, 0.2, 0.1) for digest in MANY])
    assert abs((splits == "test").mean() - 0.2) < 0.01
    assert abs((splits == "validation").mean() - 0.8 * 0.1) < 0.01
    draws = np.array([(draw_for_test(digest), draw_for_validation(digest)) for digest in MANY])
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.03
    assert draws.min() >= 0
    assert draws.max() < 1
