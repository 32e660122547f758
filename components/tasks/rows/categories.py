"""The name of a category, the same for ingest, prepare and server: none may become another on its way."""

import unicodedata


def category_name(text: str) -> str:
    """The name in Unicode's form NFC, without space around it; of a name of a category, that name."""
    return unicodedata.normalize("NFC", text.strip())
