"""Texts: whatever bytes arrive, decoding gives token ids of the package's tokenizer or says what is wrong with them."""

import json
from codecs import BOM_UTF8
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.tasks.texts.tokens import PADDING
from serving.decoding import Limits
from serving.decoding.texts import TextDecoder
from serving.errors import RequestError
from tests.text_package import LENGTH, SENTENCES, tokenizer

JSON, PLAIN = "application/json", "text/plain"
TEXT = "The shoes are wonderful, thank you!"
SEVERAL = [TEXT, *SENTENCES["complaint"][:3]]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["inputs", "b"]), inner, max_size=2),
    max_leaves=20,
)


def decoder() -> TextDecoder:
    return TextDecoder(tokenizer())


def decode(body: bytes, *, single: bool = True, kind: str = JSON) -> NDArray[Any]:
    reading = decoder().reading(kind, body, Limits(max_batch=4, max_pixels=1, single=single))
    assert reading
    return reading.decode(body)


def sent(inputs: object) -> bytes:
    return json.dumps({"inputs": inputs}).encode()


def refusal(body: bytes, *, single: bool = True, kind: str = JSON) -> tuple[int, str]:
    with pytest.raises(RequestError) as refused:
        decode(body, single=single, kind=kind)
    return refused.value.status, str(refused.value)


def test_one_text_gives_its_tokens_filled_up_with_padding() -> None:
    decoded = decode(sent("Thank you!"))
    ids = decoded[0].tolist()
    assert decoded.shape == (1, LENGTH)
    assert decoded.dtype == np.int32
    told = ids[: ids.index(PADDING)]
    assert "".join(tokenizer().tokens(told)) == " thank you!", "a tokenizer of small letters"
    assert set(ids[len(told) :]) == {PADDING}


@given(ANY_TEXT.filter(str.strip))
def test_the_same_text_has_the_same_tokens_however_it_is_sent(text: str) -> None:
    expected = tokenizer().encode([text])
    for body in (sent(text), json.dumps({"inputs": text}, ensure_ascii=False).encode()):
        assert np.array_equal(decode(body), expected)
    assert np.array_equal(decode(BOM_UTF8 + text.encode(), kind=PLAIN), expected), "a byte order mark is no letter"
    assert text.startswith("\ufeff") or np.array_equal(decode(text.encode(), kind=PLAIN), expected)
    assert np.array_equal(decode(sent([text]), single=False), expected)


def test_several_texts_give_their_tokens_in_order() -> None:
    decoded = decode(sent(SEVERAL), single=False)
    assert decoded.shape == (4, LENGTH)
    assert np.array_equal(decoded, np.concatenate([decode(sent(text)) for text in SEVERAL]))


def test_what_is_too_long_is_cut() -> None:
    long = " ".join([TEXT] * 20_000)
    decoded = decode(sent(long))
    assert decoded.shape == (1, LENGTH)
    assert PADDING not in decoded
    assert np.array_equal(decoded, decode(sent(f"{TEXT} {TEXT}")))
    assert np.array_equal(decoded, decode(long.encode(), kind=PLAIN))


def test_a_type_that_ends_in_json_is_json() -> None:
    assert np.array_equal(decode(sent(TEXT), kind="application/vnd.text+json"), decode(sent(TEXT)))


@pytest.mark.parametrize("kind", ["", "text/html", "image/png", "application/x-npy", "multipart/form-data"])
def test_other_content_types_are_not_read(kind: str) -> None:
    assert decoder().reading(kind, sent(TEXT), Limits(4, 1, single=True)) is None


def test_files_are_refused_with_the_types_that_are_read() -> None:
    assert not decoder().forms
    with pytest.raises(RequestError, match=r"not sent as files.*text/plain") as refused:
        decoder().read_files([TEXT.encode()], Limits(4, 1, single=True))
    assert refused.value.status == 415


def test_several_texts_are_not_one_plain_body() -> None:
    with pytest.raises(RequestError, match="Send several texts as JSON") as refused:
        decode(TEXT.encode(), single=False, kind=PLAIN)
    assert refused.value.status == 415


BAD: dict[str, tuple[bytes, bool, int, str]] = {
    "not JSON": (b'{"inputs": "The shoes', True, 400, "The body is not JSON"),
    "a bare text": (TEXT.encode(), True, 400, "The body is not JSON"),
    "not UTF-8": (b'{"inputs": "caf\xe9"}', True, 400, "The body is not JSON: 'utf-8'"),
    "half a letter": (b'{"inputs": "caf\\ud800"}', True, 422, "Input 1 is no valid Unicode"),
    "half a letter in bytes": (b'{"inputs": "\xed\xa0\x80"}', True, 422, "Input 1 is no valid Unicode"),
    "half a letter among several": (b'{"inputs": ["a", "\\udfff"]}', False, 422, "Input 2 is no valid Unicode"),
    "very deep": (b'{"inputs":' + b"[" * 100_000, True, 400, "nested too deeply"),
    "NaN": (sent(float("nan")), True, 400, "NaN is not a number that JSON knows"),
    "Infinity": (sent([float("inf")]), False, 400, "Infinity is not a number that JSON knows"),
    "no inputs": (b'{"text": "The shoes"}', True, 422, 'Send {"inputs": …}, a text.'),
    "JSON text alone": (json.dumps(TEXT).encode(), True, 422, 'Send {"inputs": …}, a text.'),
    "a list without inputs": (json.dumps([TEXT]).encode(), False, 422, 'Send {"inputs": …}, a list of texts.'),
    "a number": (sent(7), True, 422, "Input 1 must be a text; found a number."),
    "true": (sent(True), True, 422, "Input 1 must be a text; found true or false."),
    "null": (sent(None), True, 422, "Input 1 must be a text; found null."),
    "an object": (sent({"text": TEXT}), True, 422, "Input 1 must be a text; found an object."),
    "several for one": (sent(SEVERAL), True, 422, "Input 1 must be a text; found a list."),
    "one for several": (sent(TEXT), False, 422, 'Send {"inputs": […]}, a list of texts; found text.'),
    "a number among several": (sent([TEXT, 7]), False, 422, "Input 2 must be a text; found a number."),
    "empty": (sent(""), True, 422, "Input 1 is empty; there is nothing to answer about."),
    "blank": (sent(" \n\t"), True, 422, "Input 1 is empty; there is nothing to answer about."),
    "empty among several": (sent([TEXT, ""]), False, 422, "Input 2 is empty; there is nothing to answer about."),
    "none": (sent([]), False, 422, "The request holds 0 samples; from 1 to 4 are answered at once."),
    "too many": (sent([TEXT] * 5), False, 422, "The request holds 5 samples; from 1 to 4 are answered at once."),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_told_what_is_wrong_with_it(name: str) -> None:
    body, single, status, words = BAD[name]
    found, sentence = refusal(body, single=single)
    assert found == status
    assert words in sentence
    sentence.encode()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"caf\xe9", 400, "The text is not UTF-8"),
        (b" \n", 422, "The text is empty"),
        (BOM_UTF8, 422, "The text is empty"),
        (b"\xed\xa0\x80", 400, "not UTF-8"),
    ],
)
def test_a_bad_plain_text_is_told_what_is_wrong_with_it(body: bytes, status: int, words: str) -> None:
    found, sentence = refusal(body, kind=PLAIN)
    assert found == status
    assert words in sentence


@given(ANY_JSON, st.booleans())
def test_any_json_gives_tokens_or_a_request_error(value: object, single: bool) -> None:
    for document in (value, {"inputs": value}):
        try:
            decoded = decode(json.dumps(document).encode(), single=single)
        except RequestError as error:
            assert 400 <= error.status < 500
        else:
            assert decoded.shape[1:] == (LENGTH,)


@given(st.binary(max_size=200))
def test_any_plain_bytes_give_tokens_or_a_request_error(content: bytes) -> None:
    try:
        decoded = decode(content, kind=PLAIN)
    except RequestError as error:
        assert 400 <= error.status < 500
    else:
        assert decoded.shape == (1, LENGTH)
        assert (decoded < tokenizer().inputs.vocabulary).all()


def test_the_texts_that_were_sent_can_be_had_back() -> None:
    assert decoder().originals("text/plain", "\ufeffGr\u00fc\u00dfe".encode(), True) == ["Gr\u00fc\u00dfe"]
    assert decoder().originals("application/json", sent(["one", "two"]), False) == ["one", "two"]
