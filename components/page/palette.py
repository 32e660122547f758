"""The colours of the report, for its style sheet and its figures alike."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """One colour for each role, as #rrggbb."""

    page: str
    card: str
    ink: str
    muted: str
    line: str
    accent: str
    good: str
    bad: str


LIGHT = Palette(
    page="#f6f6f3",
    card="#ffffff",
    ink="#1b2030",
    muted="#636a7b",
    line="#e2e3e8",
    accent="#3b56d6",
    good="#14795a",
    bad="#c2412f",
)
DARK = Palette(
    page="#12141a",
    card="#1b1e27",
    ink="#e9ebf2",
    muted="#9ba2b4",
    line="#30343f",
    accent="#90a5ff",
    good="#53c79a",
    bad="#ff8d7b",
)
