"""What an experiment found."""

from components.contracts import Record


class Finding(Record):
    """One promise, and whether it was kept."""

    promise: str
    kept: bool
    figures: str
    """What was counted and measured."""
    seen: tuple[str, ...] = ()
    """What a person reads when it happens, each sentence once."""
