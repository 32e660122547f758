"""Rows of a table: from named values to numbers, their summaries, their augmentation."""
