import os
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.errors import DataError
from components.params.sections import BpeParams
from components.tasks.texts.tokens import BYTES, PADDING, SPECIAL, UNKNOWN, Tokenizer, train_tokenizer
from tests.places import REPOSITORY

TEXTS = [
    "The cat sat on the mat, and the dog sat on the log.",
    "The cats and the dogs had a naïve chat in the café.",
    "日本語の本を読む。日本語で話す。",
] * 3
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


def params(*, vocabulary: int = 400, lowercase: bool = True) -> BpeParams:
    return BpeParams(name="bpe", vocabulary=vocabulary, lowercase=lowercase)


def trained(texts: list[str] = TEXTS, *, vocabulary: int = 400, lowercase: bool = True) -> Tokenizer:
    return train_tokenizer(texts, params(vocabulary=vocabulary, lowercase=lowercase), 16)


TOKENIZER = trained()


def encode(texts: list[str], length: int, tokenizer: Tokenizer = TOKENIZER) -> NDArray[np.int32]:
    """The tokenizer's answer, were it for another length."""
    return Tokenizer(tokenizer._model, tokenizer.inputs.model_copy(update={"length": length})).encode(texts)


def ids(text: str, length: int = 64, tokenizer: Tokenizer = TOKENIZER) -> list[int]:
    """The tokens of a text, without padding at the end."""
    row = encode([text], length, tokenizer)[0].tolist()
    while row and row[-1] == PADDING:
        row.pop()
    return list(row)


def saved(tokenizer: Tokenizer, path: Path) -> bytes:
    tokenizer.save(path)
    return path.read_bytes()


def test_the_same_texts_give_the_same_bytes_and_other_texts_other_ones(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    first = saved(trained(), path)
    assert {saved(trained(), path) for _ in range(5)} == {first}
    assert saved(train_tokenizer(iter(TEXTS), params(), 16), path) == first, "texts may be walked once"
    assert saved(trained([*TEXTS, "hippopotamus hippopotamus"]), path) != first
    assert saved(trained(lowercase=False), path) != first


TRAINING = """
import sys
from pathlib import Path
from components.params.sections import BpeParams
from components.tasks.texts.tokens import train_tokenizer
words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"]  # many pairs are equally frequent
texts = (" ".join(words[n % 7 :: 7]) for n in range(200))
train_tokenizer(texts, BpeParams(name="bpe", vocabulary=600, lowercase=True), 4).save(Path(sys.argv[1]))
"""


def test_the_tokenizer_depends_neither_on_the_process_nor_on_its_threads(tmp_path: Path) -> None:
    found = set()
    for number, threads in enumerate(["1", "2", "5"]):
        path = tmp_path / f"{number}.json"
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "RAYON_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-c", TRAINING, str(path)], env=environment, check=True)
        found.add(path.read_bytes())
    assert len(found) == 1


def test_pairs_that_occur_twice_are_merged_while_the_vocabulary_has_room() -> None:
    assert trained(["quick"]).inputs.vocabulary == len(SPECIAL) + BYTES
    assert trained(["quick", "quick"]).inputs.vocabulary > len(SPECIAL) + BYTES
    many = [f"number {number} of many" for number in range(2000)] * 2
    assert trained(many, vocabulary=300).inputs.vocabulary == 300
    assert trained(many, vocabulary=2000).inputs.vocabulary > 1000


def test_frequent_words_become_one_token_and_rare_ones_several() -> None:
    assert len(ids("the")) == 1
    assert len(ids("the cat sat")) == 3
    assert len(ids("zyzzyva")) > 3


def test_a_saved_tokenizer_is_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "tokenizer.json"
    content = saved(TOKENIZER, path)
    loaded = Tokenizer.load(path, TOKENIZER.inputs)
    texts = [*TEXTS, "", "Something else: ÅÄÖ 😀 \t\n", "x" * 200]
    np.testing.assert_array_equal(loaded.encode(texts), TOKENIZER.encode(texts))
    every = range(TOKENIZER.inputs.vocabulary)
    assert loaded.tokens(every) == TOKENIZER.tokens(every)
    assert saved(loaded, path) == content


def test_what_is_no_tokenizer_or_not_that_of_the_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(DataError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        Tokenizer.load(path, TOKENIZER.inputs)
    path.write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        Tokenizer.load(path, TOKENIZER.inputs)
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]")).save(str(path))
    with pytest.raises(DataError, match=r"knows 2 tokens, and the model takes \d+: they are not of one training"):
        Tokenizer.load(path, TOKENIZER.inputs)


def test_short_texts_are_filled_up_with_padding_and_long_ones_cut() -> None:
    assert PADDING == 0
    found = encode(["the cat", TEXTS[0], ""], 6)
    assert found.dtype == np.int32
    assert found.shape == (3, 6)
    assert (found[0, :2] != PADDING).all()
    assert found[0, 2:].tolist() == [PADDING] * 4
    assert (found[1] != PADDING).all()
    np.testing.assert_array_equal(found[1], encode([TEXTS[0]], 64)[0, :6])


@pytest.mark.parametrize("length", [1, 2, 3, 9, 40])
def test_a_cut_text_has_the_first_tokens_of_the_whole(length: int) -> None:
    whole = encode(TEXTS, 100)
    np.testing.assert_array_equal(encode(TEXTS, length), whole[:, :length])


def test_a_very_long_text_is_cut_as_a_long_one() -> None:
    long, longest = encode(["the cat sat " * 100, "the cat sat " * 1_000_000], 16)
    assert long.tolist() == longest.tolist()


DASHES = train_tokenizer(["-" * 3000 + " the cat sat on the mat"] * 3, params(), 16)
WHITE_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
"""What Unicode calls so."""
PIECES = ["-", "---" * 50, " ", "  ", "\n", "the cat", " sat", "a", "'", "ll", "日本語", "e\u0301", "\u0316", "Ü"]


def test_nothing_that_would_still_fit_is_lost_where_tokens_are_long() -> None:
    rule = "-" * 3000
    assert len(ids(rule, 4, DASHES)) == 1
    assert ids(f"{rule} the cat sat", 16, DASHES)[-3:] == ids("the cat sat", 16, DASHES)
    assert ids(f"{rule} " * 50, 16, DASHES) == ids(f"{rule} " * 50, 10_000, DASHES)[:16]


@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([1, 2, 7, 400])), max_size=20), st.integers(1, 20))
@settings(max_examples=50)
def test_the_first_tokens_are_those_of_the_whole_text(pieces: list[tuple[str, int]], length: int) -> None:
    text = "".join(piece * times for piece, times in pieces)
    whole = encode([text], 2 * len(text.encode()) + length, DASHES)
    np.testing.assert_array_equal(encode([text], length, DASHES), whole[:, :length])


def test_a_text_costs_what_its_first_tokens_cost_however_long_it_is() -> None:
    started = time.perf_counter()
    for text in ("-" * 10**7, "日本語" * 10**6, "the cat sat " * 10**6):
        assert (TOKENIZER.encode([text]) != PADDING).all()
    assert time.perf_counter() - started < 5


def test_an_empty_text_has_no_token() -> None:
    assert encode(["", " \n"], 5).tolist() == [[PADDING] * 5] * 2
    assert encode([], 5).shape == (0, 5)
    assert ids("\0")


@pytest.mark.parametrize("space", ["  ", "\n", "\t \r\n", "\u00a0", "\u2003"])
def test_how_much_white_space_there_is_changes_nothing(space: str) -> None:
    assert ids(f"{space}the{space}cat sat{space}") == ids("the cat sat")


def test_capitals_are_small_letters_where_that_is_asked_for() -> None:
    assert ids("THE Café") == ids("the café")
    assert ids("ÅNGSTRÖM") == ids("ångström")
    assert ids("日本語") == ids("日本語")
    both = trained(lowercase=False)
    assert ids("THE cat", tokenizer=both) != ids("the cat", tokenizer=both)


def test_letters_are_the_same_however_their_accents_are_written() -> None:
    assert ids("cafe\u0301") == ids("caf\u00e9")
    assert ids("na\u0131\u0308ve") != ids("naïve"), "another letter stays another letter"


@given(UNICODE, st.sampled_from([1, 300]))
def test_a_text_in_whatever_form_is_the_text_that_ingest_keeps(text: str, times: int) -> None:
    forms = [unicodedata.normalize(form, text * times) for form in ("NFC", "NFD")]
    kept, written = TOKENIZER.encode(forms)
    assert kept.tolist() == written.tolist() == TOKENIZER.encode([text * times])[0].tolist()


def test_a_word_is_the_same_at_the_beginning_and_in_the_middle() -> None:
    assert ids("cat")[0] in ids("the cat sat")


def test_letters_that_training_never_saw_are_told_apart_by_their_bytes() -> None:
    """Nothing that a person writes becomes the unknown token."""
    rare = [ids(text) for text in ("😀", "😁", "ж", "Ω", "\ufffd")]
    assert len({tuple(each) for each in rare}) == 5
    for each in rare:
        assert UNKNOWN not in each
        assert all(token < len(SPECIAL) + BYTES for token in each)


@given(st.lists(UNICODE, max_size=5), st.integers(1, 20))
def test_any_text_has_ids_of_the_vocabulary_with_padding_after_the_last_alone(texts: list[str], length: int) -> None:
    found = encode(texts, length)
    assert found.shape == (len(texts), length)
    assert ((found >= 0) & (found < TOKENIZER.inputs.vocabulary)).all()
    assert not (found == UNKNOWN).any()
    padding = found == PADDING
    assert (padding[:, 1:] >= padding[:, :-1]).all()
    assert padding.all(axis=1).tolist() == [not WHITE_SPACE.sub("", text) for text in texts]
    for row, text in zip(found, texts, strict=True):
        assert row.tolist() == encode([text], length)[0].tolist(), "alone as among others"


@given(st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=60))
def test_what_is_written_in_ascii_can_be_read_back_from_its_tokens(text: str) -> None:
    assert "".join(TOKENIZER.tokens(ids(text, 128))).removeprefix(" ") == " ".join(text.lower().split())


def test_special_tokens_and_parts_of_letters_have_a_name() -> None:
    assert TOKENIZER.tokens([PADDING, UNKNOWN, *ids("the")]) == ["[PAD]", "[UNK]", " the"]
    assert TOKENIZER.tokens(ids("😀"))[1:] == ["\ufffd"] * 4


@pytest.mark.parametrize("text", SPECIAL)
def test_the_name_of_a_special_token_is_a_text_as_any_other(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    TOKENIZER.save(path)
    for tokenizer in (TOKENIZER, Tokenizer.load(path, TOKENIZER.inputs)):
        found = ids(f"a {text} b", tokenizer=tokenizer)
        assert PADDING not in found
        assert UNKNOWN not in found


def test_texts_are_taken_one_after_another() -> None:
    taken = []

    def walk() -> Iterator[str]:
        for number, text in enumerate(TEXTS):
            taken.append(number)
            yield text

    train_tokenizer(walk(), params(), 16)
    assert taken == list(range(len(TEXTS)))
