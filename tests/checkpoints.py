"""Small checkpoints of transformers as a user would have them: random weights, and a tokenizer of a few sentences."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, BertTokenizerFast, RobertaConfig, RobertaModel, RobertaTokenizerFast

from tests.text_package import SENTENCES

TEXTS = [text for texts in SENTENCES.values() for text in texts]
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def save_bert(folder: Path) -> Path:
    """WordPiece of small letters, a model of 40 places, and room for more tokens than there are."""
    model = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    model.normalizer = normalizers.BertNormalizer(lowercase=True)
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=BERT_SPECIAL, show_progress=False)
    model.train_from_iterator(TEXTS, trainer)
    model.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer = BertTokenizerFast(tokenizer_object=model)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(**TINY, vocab_size=256, max_position_embeddings=40)).save_pretrained(folder)
    return folder


def save_roberta(folder: Path) -> Path:
    """Byte-level byte-pair encoding whose padding is 1, and a model whose places begin after it."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=ROBERTA_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(TEXTS, trainer)
    model.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer = RobertaTokenizerFast(tokenizer_object=model)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(**TINY, vocab_size=len(tokenizer), max_position_embeddings=42, pad_token_id=1)
    RobertaModel(config).save_pretrained(folder)
    return folder
