"""The tokenizer of a pretrained checkpoint, as the library ``tokenizers`` runs it: all that a server needs of it."""

from typing import Any

import tokenizers
from tokenizers import normalizers

from components.contracts import TextInputs
from components.errors import DataError, ParamsError
from components.pretrained import read_pretrained
from components.tasks.texts.tokens import Tokenizer, vocabulary_of

PLACE = "prepare.tokenizer.checkpoint"
NEEDS = (
    "It must be a hub id, or a folder that fetch.weights gives, with a tokenizer that transformers itself has (code in "
    "a checkpoint is never run)."
)


def checkpoint_tokenizer(checkpoint: str, length: int) -> Tokenizer:
    """Reads it; of a text in NFC it gives the ids that transformers' own call gives, cut and filled up to the length.

    (BPE and WordPiece; Unigram, which looks at a word as a whole, may differ in a word longer than what is read.)

    Names of special tokens in a text are letters, as with ``split_special_tokens=True``.

    Args:
        checkpoint: hub id or local folder.
        length: tokens that are read of a text.

    Raises:
        DataError: the checkpoint cannot be read, or its tokenizer cannot be used here.
        ParamsError: the length leaves no room for a text.
    """
    from transformers import AutoTokenizer

    found = read_pretrained(AutoTokenizer.from_pretrained, checkpoint, PLACE, NEEDS)
    if (lack := _lack(found)) is not None:
        raise DataError(
            f"{PLACE}: the tokenizer of {checkpoint} {lack} Name another checkpoint, or train a tokenizer "
            "(name: bpe) with another network."
        )
    model = tokenizers.Tokenizer.from_str(found.backend_tokenizer.to_str())
    model.no_truncation()
    model.no_padding()
    model.normalizer = normalizers.Sequence([normalizers.NFC(), *filter(None, [model.normalizer])])
    if (around := model.num_special_tokens_to_add(is_pair=False)) >= length:
        raise ParamsError(
            f"prepare.length: {length} tokens leave no room for a text: {checkpoint} puts {around} special "
            f"ones around it. Set at least {around + 1}."
        )
    return Tokenizer(model, _inputs(found, model, length))


def _lack(found: Any) -> str | None:
    """Why a tokenizer of transformers cannot be used here."""
    if not found.is_fast:
        return "has no fast form (tokenizer.json), which is all that a server runs."
    if found.pad_token_id is None:
        return "has no padding token, and texts are filled up to one length."
    if found.mask_token_id is None and found.unk_token_id is None:
        return "has neither a mask token nor an unknown one, which stands in for a token that is dropped."
    if (found.padding_side, found.truncation_side) != ("right", "right"):
        return "fills up or cuts texts on the left, and a text is read here from its beginning."
    return None


def _inputs(found: Any, model: tokenizers.Tokenizer, length: int) -> TextInputs:
    unknown = found.unk_token_id
    return TextInputs(
        vocabulary=vocabulary_of(model),
        length=length,
        padding=found.pad_token_id,
        unknown=unknown if found.mask_token_id is None else found.mask_token_id,
        special=tuple(sorted(set(found.all_special_ids))),
        fallback=(0, 0) if unknown is None else (unknown, unknown + 1),
    )
