"""What people have said of the server's answers, for a person to look at."""

from typing import Any

from components.feedback import said, said_at
from components.settings import Settings

SHOWN = 5
"""Labels of an hour that are named."""


def by_hour(settings: Settings, model: str) -> list[dict[str, Any]]:
    """The corrections that stand, by the hour in which they came, the oldest first.

    Args:
        settings: where the log is.
        model: registered name.
    """
    rows = said(settings, model)
    rows = rows[rows[["label", "value"]].notna().any(axis=1)]
    hours = rows.groupby(said_at(rows).dt.strftime("%Y-%m-%dT%H:00"))
    return [{"hour": str(hour), "corrections": len(part), "said": _words(part)} for hour, part in hours]


def _words(rows: Any) -> str:
    counts = rows["label"].value_counts()
    if counts.empty:
        return f"values from {rows['value'].min():g} to {rows['value'].max():g}"
    named = ", ".join(f"{label} {count}" for label, count in counts.head(SHOWN).items())
    return named + (f" and {len(counts) - SHOWN} labels more" if len(counts) > SHOWN else "")
