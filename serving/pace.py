"""How long work took of late, and so how long what waits for it will wait."""

WEIGHT = 0.3
"""How much the last piece of work tells of the pace."""


class Pace:
    """Learns how long a piece of work takes.

    Attributes:
        seconds: of a piece, of late; None: nothing is known yet.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None

    def learn(self, seconds: float) -> None:
        """A piece of work took so long."""
        self.seconds = seconds if self.seconds is None else self.seconds + WEIGHT * (seconds - self.seconds)

    def of(self, pieces: int) -> float:
        """Seconds that so many pieces take one after the other; 0 where nothing is known."""
        return pieces * (self.seconds or 0.0)
