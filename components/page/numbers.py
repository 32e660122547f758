"""Numbers that every report has, as a person reads them."""

NBSP = "\u00a0"


def percent(share: float, digits: int = 1) -> str:
    """0.9143 → ``91.4 %``."""
    return f"{share * 100:.{digits}f}{NBSP}%"
