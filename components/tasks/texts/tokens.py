"""The tokenizer: byte-level byte-pair encoding, trained on the training split, the same for prepare and server."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from components.errors import DataError
from components.files import write_text
from components.params.sections import TextPrepareParams

PADDING, UNKNOWN = 0, 1
"""Ids that stand for no text: what fills up a short one, and a token that is not told."""
SPECIAL = ["[PAD]", "[UNK]"]
BYTES = 256
"""Tokens that every vocabulary has, after the special ones: one a byte, so that every text has tokens."""
LEAST_FREQUENCY = 2
READ_CHARACTERS = 16
"""Of a text, so many characters are read at first for each token that is kept; more where they give too few tokens."""
MARGIN = 4
"""Lengths of the longest token before the end of what is read: there the whole text may have other tokens."""


class Tokenizer:
    """Turns texts into token ids. Of the same vocabulary, the same text always has the same ids."""

    def __init__(self, model: tokenizers.Tokenizer) -> None:
        self._model = model
        self._model.encode_special_tokens = True  # their names in a text are letters; save does not keep this
        self._bytes = {token: len(letters) for letters, token in model.get_vocab().items()}  # a letter stands for each
        self._margin = MARGIN * max(self._bytes.values())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what :meth:`save` has written.

        Raises:
            DataError: the file cannot be read, or is no tokenizer of this kind.
        """
        try:
            model = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 the library raises nothing more exact
            raise DataError(f"{path} cannot be read as a tokenizer: {error}") from None
        if [model.token_to_id(token) for token in SPECIAL] != [PADDING, UNKNOWN]:
            raise DataError(f"{path} is no tokenizer of this line: {' and '.join(SPECIAL)} are not its first tokens.")
        return cls(model)

    def save(self, path: Path) -> None:
        """Writes the tokenizer as JSON; the same tokenizer gives the same bytes."""
        write_text(path, self._model.to_str(pretty=True) + "\n")

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self._model.get_vocab_size())

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int32]:
        """The first tokens of each text, filled up with padding.

        Args:
            texts: valid Unicode, in whatever form: the tokenizer's own first step is NFC, as ingest's is. Of a text
                without a token, all ids are padding.
            length: tokens that are kept of each.

        Returns:
            (texts, length) int32.
        """
        ids = np.full((len(texts), length), PADDING, np.int32)
        for row, tokens in zip(ids, self._beginnings(texts, length), strict=True):
            row[: len(tokens)] = tokens[:length]
        return ids

    def _beginnings(self, texts: Sequence[str], length: int, times: int = 1) -> list[list[int]]:
        """At least the first tokens of each text: it is read to its end, or until they and a margin are there.

        So a text costs what its first tokens cost, however long it is, and none is lost where tokens are long.
        """
        characters = times * (length * READ_CHARACTERS + self._margin)
        read = [text[:characters] for text in texts]
        encoded = self._model.encode_batch_fast(read, add_special_tokens=False)
        return [
            found.ids
            if len(part) == len(text) or self._bytes_of(found.ids[length:]) >= self._margin
            else self._beginnings([text], length, 4 * times)[0]
            for text, part, found in zip(texts, read, encoded, strict=True)
        ]

    def _bytes_of(self, ids: Sequence[int]) -> int:
        return sum(map(self._bytes.__getitem__, ids))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """What each id stands for, as text; an id that is a part of a letter gives U+FFFD."""
        return [self._model.decode([token], skip_special_tokens=False) for token in ids]


def train_tokenizer(texts: Iterable[str], params: TextPrepareParams) -> Tokenizer:
    """Learns a vocabulary by byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), on bytes.

    Pairs are merged as long as there is room in the vocabulary and the most frequent one occurs twice. The same texts
    in the same order give the same tokenizer.

    Args:
        texts: of the training split, walked once.
        params: size of the vocabulary; whether capitals are taken for small letters.
    """
    model = tokenizers.Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    steps = [normalizers.NFC(), *([normalizers.Lowercase()] if params.lowercase else [])]
    model.normalizer = normalizers.Sequence(steps)
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=params.vocabulary,
        min_frequency=LEAST_FREQUENCY,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return Tokenizer(model)
