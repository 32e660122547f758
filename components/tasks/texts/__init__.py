"""Texts: from characters to token ids, their summaries, their augmentation."""
