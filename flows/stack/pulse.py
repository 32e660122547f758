"""The answers of one life of a part: since when it is well, whether it has fallen silent, and whether it hangs."""

import time
from dataclasses import dataclass, field

PATIENCE_SECONDS = 240.0
"""How long a part may take until it answers for the first time."""
SILENT_MISSES, HUNG_MISSES = 3, 12
"""So many questions without an answer, one after the other, and it counts as silent; and it hangs."""


@dataclass
class Pulse:
    """What is known of a part that was started just now.

    Attributes:
        began: when, by the monotonic clock.
        answered: seconds from then to its last answer; None: it has never answered.
    """

    began: float = field(default_factory=time.monotonic)
    answered: float | None = None
    _misses: int = 0
    _blamed: int = 0

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.began

    @property
    def silent(self) -> bool:
        """Whether it has answered before, and does not now."""
        return self.answered is not None and self._misses >= SILENT_MISSES

    def take(self, *, answered: bool, excused: bool) -> None:
        """Takes in what became of a question.

        Args:
            answered: whether there was an answer.
            excused: whether something is ill that the part needs, so that its silence is no fault of its own.
        """
        if answered:
            self.answered, self._misses, self._blamed = self.seconds, 0, 0
            return
        self._misses += 1
        self._blamed = 0 if excused else self._blamed + 1

    def hangs(self) -> str | None:
        """Why it is to be ended, in words that follow its name; None: it is not."""
        if self.answered is None:
            late = self.seconds > PATIENCE_SECONDS
            return f"did not answer within {PATIENCE_SECONDS:.0f} s of its start" if late else None
        return f"hung: {self._blamed} questions had no answer" if self._blamed >= HUNG_MISSES else None
