"""What a comparison means: whether every bit is demanded, and whether the version was reproduced."""

from typing import Literal

from components.contracts import Record
from components.package import Provenance
from flows.reproduction.comparison import Part
from flows.runs import StageResult

Verdict = Literal["identical", "equal within bounds", "different"]
GPU = "gpu"
"""It adds in an order of its own each time, so that even the same one need not give the same bits."""


class Reproduction(Record):
    """How a reproduction ended."""

    name: str
    version: int
    commit: str
    folder: str
    stages: tuple[StageResult, ...]
    """Every stage: whether it was really run, or its outputs are those of then."""
    surroundings: dict[str, tuple[str | None, str | None]]
    """What of processor, threads and libraries differs between the trainings, and a GPU: then and now."""
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all parts; every bit is demanded where nothing around the trainings explains another one."""
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
        others = ", ".join(part.name for part in self.parts if part.outcome in ("different", "within bounds"))
        around = ", ".join(self.surroundings)
        match self.verdict:
            case "identical":
                return f"{title} was reproduced bit for bit."
            case "equal within bounds":
                return (
                    f"{title} was reproduced within the bounds: {others} differ by no more than another order of sums "
                    f"explains ({around})."
                )
            case _ if around:
                return f"{title} was not reproduced: {others} differ by more than is explained by {around}."
            case _:
                return (
                    f"{title} was not reproduced: {others} differ, and on the same kind of processor, with as many "
                    "threads and the same libraries, no bit may."
                )


def surroundings(then: Provenance, now: Provenance) -> dict[str, tuple[str | None, str | None]]:
    """What around two trainings explains that their last bits differ: then and now; None: it is not known."""
    before, after = ({**one.environment, **one.machine} for one in (then, now))
    return {
        name: (before.get(name), after.get(name))
        for name in (*before, *after)
        if name == GPU or before.get(name) != after.get(name)
    }
