"""What a comparison means: which bits are demanded, and whether the version was reproduced."""

from typing import Literal

from components.contracts import Record
from components.package import Provenance
from flows.reproduction.comparison import Part
from flows.runs import StageResult

Verdict = Literal["identical", "equal within bounds", "different"]


class Reproduction(Record):
    """How a reproduction ended."""

    name: str
    version: int
    commit: str
    folder: str
    stages: tuple[StageResult, ...]
    """Every stage: whether it was really run, or its outputs are those of then."""
    surroundings: dict[str, tuple[str | None, str | None]]
    """What of processor, threads and libraries differs between the trainings: then and now."""
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all parts; where the surroundings are the same, every bit is demanded."""
        outcomes = {part.outcome for part in self.parts}
        if "different" in outcomes or ("within bounds" in outcomes and not self.surroundings):
            return "different"
        return "equal within bounds" if "within bounds" in outcomes else "identical"

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"verdict": self.verdict, "sentence": self.sentence(), **self.model_dump(mode="json")}

    def sentence(self) -> str:
        """The verdict for a person, with what it rests on."""
        title = f"Version {self.version} of '{self.name}'"
        others = [part.name for part in self.parts if part.outcome in ("different", "within bounds")]
        match self.verdict:
            case "identical":
                return f"{title} was reproduced bit for bit."
            case "equal within bounds":
                return (
                    f"{title} was reproduced within the bounds that are stated: {', '.join(others)} differ, and so do "
                    f"the surroundings ({', '.join(self.surroundings)}), so equal bits are not demanded."
                )
            case _:
                return f"{title} was not reproduced: {', '.join(others)} differ{self._demanded()}."

    def _demanded(self) -> str:
        if self.surroundings:
            return f" by more than another machine explains ({', '.join(self.surroundings)})"
        return ", and on the same kind of processor, with as many threads and the same libraries, no bit may"


def surroundings(then: Provenance, now: Provenance) -> dict[str, tuple[str | None, str | None]]:
    """What differs between the surroundings of two trainings: then and now; None: it is not known."""
    before, after = ({**one.environment, **one.machine} for one in (then, now))
    return {
        name: (before.get(name), after.get(name)) for name in (*before, *after) if before.get(name) != after.get(name)
    }
