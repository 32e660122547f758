"""Images: from a file to pixels, their summaries, their augmentation."""
