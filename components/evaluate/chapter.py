"""What the report tells of one kind of model alone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chapter:
    """The words and contents that differ between a classifier and a regression.

    Attributes:
        folder: of its templates.
        headline: the result, in one line.
        lead: what follows the interval of the score.
        tiles: its figures: value and what it is.
        anchors: its sections: anchor and title.
        interval_method: how the intervals were computed.
        parity_unit: what follows a difference of two answers.
        details: what its templates show.
    """

    folder: str
    headline: str
    lead: str
    tiles: tuple[tuple[str, str], ...]
    anchors: tuple[tuple[str, str], ...]
    interval_method: str
    parity_unit: str
    details: dict[str, object]
