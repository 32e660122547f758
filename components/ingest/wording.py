"""Text of the source as it may be shown: it must not act on a terminal, and may be long."""

SHOWN_CHARACTERS = 60


def printable(text: str) -> str:
    """The text with what is not printable, half a surrogate pair above all, written as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def quoted(value: object) -> str:
    """A value of the source in quotes, printable, and cut where it is long."""
    text = str(value)
    cut = "…" if len(text) > SHOWN_CHARACTERS else ""
    return f"'{printable(text[:SHOWN_CHARACTERS])}{cut}'"
