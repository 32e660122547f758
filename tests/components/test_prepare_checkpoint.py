import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import AutoTokenizer, CanineTokenizer, PreTrainedTokenizerFast

from components.contracts import TOKENIZER
from components.errors import DataError, ParamsError
from components.prepare.checkpoint import checkpoint_tokenizer
from components.tasks.texts.augmentation import TokenDropout
from components.tasks.texts.summaries import SUMMARIES, summarise_texts
from components.tasks.texts.tokens import Tokenizer
from tests.checkpoints import TEXTS, save_bert, save_roberta

KINDS: dict[str, Callable[[Path], Path]] = {"bert": save_bert, "roberta": save_roberta}
SPECIAL_NAMES = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>"]
PIECES = [
    "late",
    " the",
    "x" * 99,
    "y" * 101,
    "-",
    " ",
    "\n",
    "日本語",
    "e\u0301",
    "\u0316",
    "😀",
    "It's",
    "\0",
    *SPECIAL_NAMES,
]
"""Words around the length that WordPiece reads among them."""


@pytest.fixture(scope="module", params=KINDS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS[request.param](tmp_path_factory.mktemp(request.param))


def of_transformers(checkpoint: Path, texts: list[str], length: int) -> NDArray[np.int32]:
    """The ids of transformers' own call; names of special tokens are letters to it, as ours are."""
    own = AutoTokenizer.from_pretrained(checkpoint)
    called = own(texts, truncation=True, max_length=length, padding="max_length", split_special_tokens=True)
    return np.array(called.input_ids, np.int32)


@pytest.mark.parametrize("length", [3, 8, 40])
def test_ids_are_those_of_transformers(checkpoint: Path, length: int) -> None:
    texts = [
        *TEXTS,
        "",
        " ",
        "Quick, NAÏVE and 日本語 😀!",
        "late " * 300,
        "y" * 150,
        *SPECIAL_NAMES,
        "a [SEP] b <mask> c",
    ]
    tokenizer = checkpoint_tokenizer(str(checkpoint), length)
    found = tokenizer.encode(texts)
    assert (found.shape, found.dtype.str) == ((len(texts), length), "<i4")
    np.testing.assert_array_equal(found, of_transformers(checkpoint, texts, length))


@given(pieces=st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([1, 2, 7, 30])), max_size=12))
@settings(max_examples=40)
def test_any_text_has_the_ids_of_transformers(checkpoint: Path, pieces: list[tuple[str, int]]) -> None:
    text = unicodedata.normalize("NFC", "".join(piece * times for piece, times in pieces))
    for length in (4, 24):
        found = checkpoint_tokenizer(str(checkpoint), length).encode([text])
        np.testing.assert_array_equal(found, of_transformers(checkpoint, [text], length), text)


def test_a_long_word_that_reading_stops_in_is_what_it_is_in_the_whole_text(checkpoint: Path) -> None:
    """WordPiece knows no word of more than 100 letters; the first of them alone would be a word of many pieces."""
    texts = ["\0" * hidden + "y" * 150 for hidden in range(0, 1600, 10)]
    found = checkpoint_tokenizer(str(checkpoint), 24).encode(texts)
    np.testing.assert_array_equal(found, of_transformers(checkpoint, texts, 24))


def test_a_text_in_whatever_form_has_the_ids_of_the_form_that_ingest_keeps(checkpoint: Path) -> None:
    kept, written = checkpoint_tokenizer(str(checkpoint), 12).encode(["caf\u00e9", "cafe\u0301"])
    assert kept.tolist() == written.tolist()


def test_the_server_needs_the_file_and_what_the_contract_says(checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = checkpoint_tokenizer(str(checkpoint), 12)
    tokenizer.save(tmp_path / TOKENIZER)
    loaded = Tokenizer.load(tmp_path / TOKENIZER, tokenizer.inputs)
    texts = [*TEXTS, *SPECIAL_NAMES, ""]
    np.testing.assert_array_equal(loaded.encode(texts), tokenizer.encode(texts))
    assert tokenizers.Tokenizer.from_file(str(tmp_path / TOKENIZER)).padding is None
    with pytest.raises(DataError, match="they are not of one training"):
        Tokenizer.load(tmp_path / TOKENIZER, tokenizer.inputs.model_copy(update={"vocabulary": 10}))


def test_the_contract_says_what_the_checkpoint_says(checkpoint: Path) -> None:
    own, inputs = AutoTokenizer.from_pretrained(checkpoint), checkpoint_tokenizer(str(checkpoint), 12).inputs
    assert (inputs.padding, inputs.unknown) == (own.pad_token_id, own.mask_token_id)
    assert set(inputs.special) == {own.convert_tokens_to_ids(name) for name in own.all_special_tokens}
    assert (inputs.vocabulary, inputs.length) == (len(own), 12)
    assert range(*inputs.fallback) == range(own.unk_token_id, own.unk_token_id + 1)


def test_special_tokens_are_never_dropped_and_all_others_are(checkpoint: Path) -> None:
    tokenizer = checkpoint_tokenizer(str(checkpoint), 12)
    ids = torch.from_numpy(tokenizer.encode(TEXTS)).long()
    special = torch.isin(ids, torch.tensor(tokenizer.inputs.special))
    dropped = TokenDropout(1.0, tokenizer.inputs)(ids)
    assert (special[:, 0] & special.any(dim=1)).all()
    assert torch.equal(dropped[special], ids[special])
    assert (dropped[~special] == tokenizer.inputs.unknown).all()


def test_summaries_know_the_padding_and_the_unknown_token(checkpoint: Path) -> None:
    tokenizer = checkpoint_tokenizer(str(checkpoint), 12)
    ids = tokenizer.encode(["late", "日 本 語"])
    late, foreign = (dict(zip(SUMMARIES, row, strict=True)) for row in summarise_texts(ids, tokenizer.inputs).tolist())
    assert late["tokens"] == (ids[0] != tokenizer.inputs.padding).sum() < 12
    assert (late["distinct"], late["fallback"]) == (1, 0)
    unknown = (ids[1] == tokenizer.inputs.fallback[0]).sum()
    assert foreign["fallback"] == pytest.approx(unknown / (ids[1] != tokenizer.inputs.padding).sum())
    assert unknown == (3 if tokenizer.inputs.padding == 0 else 0), "bytes know every text"


def test_a_token_is_shown_as_it_stands_in_a_text(checkpoint: Path) -> None:
    tokenizer = checkpoint_tokenizer(str(checkpoint), 12)
    ids = tokenizer.encode(["the delivery"])[0]
    first, *shown, last = tokenizer.tokens(ids[ids != tokenizer.inputs.padding].tolist())
    assert "".join(shown).strip() == "the delivery"
    assert (first.strip(), last.strip()) in {("[CLS]", "[SEP]"), ("<s>", "</s>")}


def test_a_text_costs_what_its_first_tokens_cost_however_long_it_is(checkpoint: Path) -> None:
    tokenizer = checkpoint_tokenizer(str(checkpoint), 16)
    started = time.process_time()
    tokenizer.encode(["the cat sat " * 10**6, "! " * 10**6, " " * 10**7, "y" * 10**7])
    assert time.process_time() - started < 1


def test_a_length_without_room_for_a_text_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ParamsError, match=r"prepare\.length: 2 tokens leave no room .* puts 2 .* at least 3"):
        checkpoint_tokenizer(str(checkpoint), 2)


def words(**special: str) -> PreTrainedTokenizerFast:
    vocabulary = {"the": 0, **{name: number for number, name in enumerate(sorted(set(special.values())), 1)}}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token=special.get("unk_token", "the")))
    return PreTrainedTokenizerFast(tokenizer_object=model, **special)


@pytest.mark.parametrize(
    ("tokenizer", "told"),
    [
        (CanineTokenizer(), "has no fast form"),
        (words(unk_token="[UNK]"), "has no padding token"),
        (words(pad_token="[PAD]"), "has neither a mask token nor an unknown one"),
    ],
    ids=["slow", "padding", "unknown"],
)
def test_a_tokenizer_that_cannot_be_used_is_a_sentence(tokenizer: object, told: str, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=rf"prepare\.tokenizer\.checkpoint: .* {told}.*Name another checkpoint"):
        checkpoint_tokenizer(str(tmp_path), 8)


def test_a_tokenizer_that_begins_at_the_end_of_a_text_is_refused(tmp_path: Path) -> None:
    save_bert(tmp_path)
    AutoTokenizer.from_pretrained(tmp_path, truncation_side="left").save_pretrained(tmp_path)
    with pytest.raises(DataError, match="fills up or cuts texts on the left"):
        checkpoint_tokenizer(str(tmp_path), 8)


def test_code_of_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "own"}')
    auto = '{"auto_map": {"AutoTokenizer": ["own.Own", null]}, "tokenizer_class": "Own"}'
    (tmp_path / "tokenizer_config.json").write_text(auto)
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    with pytest.raises(DataError, match=r"cannot be loaded: .*code in a checkpoint is never run"):
        checkpoint_tokenizer(str(tmp_path), 8)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"prepare\.tokenizer\.checkpoint: nobody/nothing cannot be loaded"):
        checkpoint_tokenizer("nobody/nothing", 8)
