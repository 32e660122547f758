"""The tokenizer, the same for prepare and server: byte-pair encoding that was trained here, or that of a checkpoint."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from components.contracts import TextInputs
from components.errors import DataError
from components.files import write_text
from components.params.sections import BpeParams

PADDING, UNKNOWN = 0, 1
"""Ids that stand for no text, of a tokenizer that was trained here."""
SPECIAL = ["[PAD]", "[UNK]"]
BYTES = 256
"""Tokens that every such vocabulary has, after the special ones: one a byte, so that every text has tokens."""
LEAST_FREQUENCY = 2
READ_CHARACTERS = 16
"""Of a text, so many characters are read at first for each token that is kept; more where they give too few tokens."""
MARGIN = 4
"""Longest tokens (of WordPiece: longest words) before the end of what is read: there the whole text may have others."""
PATIENCE = 2**16
"""Characters that are read of any text, if it has them, before too few tokens are taken for all that it has."""


class Tokenizer:
    """Turns texts into token ids. Of the same vocabulary, the same text always has the same ids.

    Attributes:
        inputs: what a model is told of the ids, and how many it reads of a text.
    """

    def __init__(self, model: tokenizers.Tokenizer, inputs: TextInputs) -> None:
        self.inputs = inputs
        self._model = model
        self._model.encode_special_tokens = True  # their names in a text are letters; save does not keep this
        self._room = inputs.length - model.num_special_tokens_to_add(is_pair=False)
        self._letters = {token: len(letters) for letters, token in model.get_vocab().items()}  # BPE: one a byte
        longest_word = getattr(model.model, "max_input_chars_per_word", 0)  # WordPiece does not read beyond it
        longest = max(*self._letters.values(), longest_word)
        self._margin = MARGIN * longest
        self._most_characters = max(PATIENCE, inputs.length * longest + self._margin)

    @classmethod
    def load(cls, path: Path, inputs: TextInputs) -> Self:
        """Reads what :meth:`save` has written.

        Raises:
            DataError: the file cannot be read, or has other tokens than the inputs say.
        """
        try:
            model = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 the library raises nothing more exact
            raise DataError(f"{path} cannot be read as a tokenizer: {error}") from None
        if (found := vocabulary_of(model)) != inputs.vocabulary:
            raise DataError(
                f"{path} knows {found} tokens, and the model takes {inputs.vocabulary}: they are not of one training."
            )
        return cls(model, inputs)

    def save(self, path: Path) -> None:
        """Writes the tokenizer as JSON; the same tokenizer gives the same bytes."""
        write_text(path, self._model.to_str(pretty=True) + "\n")

    def encode(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """The first tokens of each text, within the special ones that belong around it, filled up with padding.

        Args:
            texts: valid Unicode, in whatever form: the tokenizer's own first step is NFC, as ingest's is.

        Returns:
            (texts, length of the inputs) int32.
        """
        ids = np.full((len(texts), self.inputs.length), self.inputs.padding, np.int32)
        for row, found in zip(ids, self._beginnings(texts), strict=True):
            found.truncate(self._room)
            tokens = self._model.post_process(found).ids
            row[: len(tokens)] = tokens
        return ids

    def _beginnings(self, texts: Sequence[str], times: int = 1) -> list[tokenizers.Encoding]:
        """At least the first tokens of each text: it is read to its end, or until they and a margin are there.

        So a text costs what its first tokens cost, however long it is, and none is lost where tokens are long. What
        has hardly any (white space, a word without end) is read as far as the longest tokens would reach.
        """
        characters = min(times * (self.inputs.length * READ_CHARACTERS + self._margin), self._most_characters)
        read = [text[:characters] for text in texts]
        encoded = self._model.encode_batch_fast(read, add_special_tokens=False)
        is_last = characters == self._most_characters
        return [
            found
            if is_last or len(text) <= characters or self._letters_of(found.ids[self._room :]) >= self._margin
            else self._beginnings([text], 4 * times)[0]
            for text, found in zip(texts, encoded, strict=True)
        ]

    def _letters_of(self, ids: Sequence[int]) -> int:
        return sum(map(self._letters.__getitem__, ids))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """What each id stands for within a text; an id that is a part of a letter gives U+FFFD."""
        return [self._decode([token, token]).removeprefix(self._decode([token])) for token in ids]

    def _decode(self, ids: list[int]) -> str:
        return str(self._model.decode(ids, skip_special_tokens=False))


def vocabulary_of(model: tokenizers.Tokenizer) -> int:
    """Number of token ids; ids that stand for nothing count where larger ones stand for something."""
    return max(model.get_vocab().values()) + 1


def bpe_inputs(vocabulary: int, length: int) -> TextInputs:
    """What a model is told of the ids of a tokenizer that was trained here."""
    return TextInputs(
        vocabulary=vocabulary,
        length=length,
        padding=PADDING,
        unknown=UNKNOWN,
        special=(PADDING, UNKNOWN),
        fallback=(len(SPECIAL), len(SPECIAL) + BYTES),
    )


def train_tokenizer(texts: Iterable[str], params: BpeParams, length: int) -> Tokenizer:
    """Learns a vocabulary by byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), on bytes.

    Pairs are merged as long as there is room in the vocabulary and the most frequent one occurs twice. The same texts
    in the same order give the same tokenizer.

    Args:
        texts: of the training split, walked once.
        params: size of the vocabulary; whether capitals are taken for small letters.
        length: tokens that are read of a text.
    """
    model = tokenizers.Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    white_space = normalizers.Replace(tokenizers.Regex(r"\s+"), " ")  # line breaks and indents are no words
    steps = [normalizers.NFC(), white_space, normalizers.Strip()]
    steps += [normalizers.Lowercase()] if params.lowercase else []
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
    return Tokenizer(model, bpe_inputs(vocabulary_of(model), length))
