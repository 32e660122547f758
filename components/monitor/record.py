"""What was found of a window: one JSON file for each, in the home folder."""

from datetime import datetime

from components.contracts import Record
from components.params.sections.monitor import Kind

DRIFT: tuple[Kind, ...] = ("inputs", "features", "predictions", "confidence")
SERVICE: tuple[Kind, ...] = ("errors", "latency")


class Finding(Record):
    """One test of a window."""

    kind: Kind
    name: str
    """What was looked at, such as a summary."""
    method: str
    statistic: float
    threshold: float
    before: float | None
    """Mean in the reference, or the score that was promised; None: there is none to compare with."""
    now: float | None
    """The same in the window."""

    @property
    def fires(self) -> bool:
        """Whether the threshold is reached."""
        return self.statistic >= self.threshold

    @property
    def strength(self) -> float:
        """Statistic over threshold: from 1 on it fires."""
        return self.statistic / self.threshold if self.threshold else float(self.fires)

    def sentence(self) -> str:
        """The same in words."""
        told = f"{self.name}: {self.method.replace('_', ' ')} {self.statistic:.4g}, threshold {self.threshold:.4g}"
        if self.before is not None and self.now is not None:
            told += f" (was {self.before:.4g}, is {self.now:.4g})"
        return told


class Quality(Record):
    """How the answers of a window stand to what people say of them."""

    labels: int
    score: float | None
    """Accuracy or R²; None: fewer labels than monitor.quality asks for."""
    interval: tuple[float, float] | None
    """95 % interval of the score."""
    delay_seconds: float | None
    """Median time from an answer to its label; None: nobody has said anything."""


class JudgedWindow(Record):
    """A window, and what was found."""

    model: str
    version: int
    package: str | None = None
    """Digest of the version's package; windows of before there was this lack it."""
    since: datetime
    """Of its first answer."""
    until: datetime
    """Of its last one: the next window begins after it."""
    judged: datetime
    samples: int
    findings: tuple[Finding, ...]
    quality: Quality | None
    requests: int | None
    """Since the window before, or in the first one of a champion since its first answer; None: no server counts."""
    firing: tuple[Kind, ...]
    """Kinds with a test that fires."""
    raised: tuple[Kind, ...]
    """Kinds whose alarm this window has raised."""
    standing: tuple[Kind, ...]
    """Kinds whose alarm stands, those just raised included."""

    def strongest(self, kind: Kind) -> Finding | None:
        """The test of a kind that is furthest; None: there is none."""
        return max((each for each in self.findings if each.kind == kind), key=lambda each: each.strength, default=None)

    def sentence(self) -> str:
        """What a person is told."""
        told = f"{self.samples:,} samples of version {self.version} until {self.until:%Y-%m-%d %H:%M:%S} UTC: "
        if not self.firing:
            return told + "nothing has changed" + (f"; {', '.join(self.standing)} stands." if self.standing else ".")
        strongest = (self.strongest(kind) for kind in self.firing)
        told += "; ".join(f"{each.kind} — {each.sentence()}" for each in strongest if each)
        if self.raised:
            return f"{told}. Alarm: {', '.join(self.raised)}."
        return f"{told}. No new alarm."
