"""Two packages of a version, file by file: the registered one, and the one that was made again.

A file that is equal byte for byte is told as identical, and nothing else is asked. Of the others it is told how far
they are apart, and whether that is within the bounds of another machine: there sums are rounded in another order, and
a training carries that on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from components.contracts import COMPRESSED, TOKENIZER, ClassTarget, Compressed, Record
from components.files import file_sha256, read_json
from components.inference import answers, open_graph
from components.package import ModelPackage
from components.package.manifest import MANIFEST, SIGNATURE
from components.package.model import GOLDEN, LOCK, METRICS, MODEL, PARAMS, PROFILE, REFERENCE, SIGNATURE_FILE, WEIGHTS
from components.tasks.intervals import wilson_interval
from flows.reproduction.distances import answers_apart, documents_apart, other_shapes, relative, tensors_apart

Outcome = Literal["identical", "within bounds", "different", "not compared"]

WEIGHTS_BOUND = 0.5
"""Of :func:`tensors_apart`: an angle of 30°. Unrelated weights of one size are √2 apart (docs/reproduce.md)."""
NUMBER_BOUND = 1e-5
"""Relative, of a number that follows from the data alone: float32 sums in another order stay below."""
UNNAMED = "It says when, where and of what the package was made."


class Part(Record):
    """One file of the package."""

    name: str
    outcome: Outcome
    detail: str
    difference: float | None = None
    """In the unit that the detail names."""
    bound: float | None = None
    """That it must keep where not every bit is demanded."""


@dataclass(frozen=True)
class Pair:
    """The two packages.

    Attributes:
        then: the registered one.
        now: the one that was made again.
        graph: the graph that was made again of the variant that was chosen then; None: that variant was not made.
        same_choice: whether that variant was chosen again. Latencies are measured anew, so it may be another.
    """

    then: ModelPackage
    now: ModelPackage
    graph: Path | None
    same_choice: bool

    @classmethod
    def of(cls, then: ModelPackage, now: ModelPackage, root: Path) -> Self:
        """The packages, with the graph found in the clone in which the line has run.

        Args:
            then: the registered package.
            now: the one that was made again.
            root: of the clone.
        """
        chosen = then.provenance.chosen
        if now.provenance.chosen == chosen:
            return cls(then, now, now.graph, same_choice=True)
        made = Compressed.model_validate(now.metrics()["compression"]).variants
        file = next((variant.file for variant in made if variant.name == chosen), None)
        return cls(then, now, root / COMPRESSED / file if file else None, same_choice=False)

    @property
    def choices(self) -> str:
        """That another variant was chosen, as a sentence; nothing where the same was."""
        chosen, again = self.then.provenance.chosen, self.now.provenance.chosen
        return "" if self.same_choice else f"{again} was chosen, by latency; {chosen} is compared."


def compare(pair: Pair) -> tuple[Part, ...]:
    """Compares every file of either package, but for the manifests, which follow from the others."""
    names = {name for package in (pair.then, pair.now) for name in _files(package.folder)}
    return tuple(_part(pair, name) for name in sorted(names, key=lambda name: (name not in COMPARED, name)))


def _files(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in (MANIFEST, SIGNATURE):
            yield name


def _part(pair: Pair, name: str) -> Part:
    then, now = pair.then.folder / name, pair.now.folder / name
    if not (then.is_file() and now.is_file()):
        which = "registered package" if now.is_file() else "package that was made again"
        return _different(name, f"The {which} has none.")
    if file_sha256(then) == file_sha256(now):
        return _identical(name)
    return COMPARED.get(name, _unnamed)(pair, name)


def _identical(name: str, detail: str = "") -> Part:
    return Part(name=name, outcome="identical", detail=detail)


def _different(name: str, detail: str) -> Part:
    return Part(name=name, outcome="different", detail=detail)


def _bounded(name: str, difference: float, bound: float, detail: str) -> Part:
    """Within bounds or not; what is no number is not."""
    outcome: Outcome = "within bounds" if difference <= bound else "different"
    return Part(name=name, outcome=outcome, detail=detail, difference=difference, bound=bound)


def _unnamed(pair: Pair, name: str) -> Part:
    return Part(name=name, outcome="not compared", detail=UNNAMED)


def _text(pair: Pair, name: str) -> Part:
    return _different(name, "It must be the same, byte for byte.")


def _lock(pair: Pair, name: str) -> Part:
    """Which outputs of the line have other digests: what training read must not be among them."""
    then, now = (_outputs(package.folder / name) for package in (pair.then, pair.now))
    other = [path for path in then if then[path] != now.get(path)]
    detail = (
        f"Of {len(then)} outputs of the line {len(other)} have other digests: {', '.join(other) or 'none'}. "
        "Those that hold times and numbers of runs always do."
    )
    return Part(name=name, outcome="not compared", detail=detail)


def _outputs(lock: Path) -> dict[str, str]:
    stages = YAML(typ="safe", pure=True).load(lock)["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}


def _weights(pair: Pair, name: str) -> Part:
    then, now = (load_file(package.folder / name) for package in (pair.then, pair.now))
    if unlike := other_shapes(then, now):
        return _different(name, f"Tensors of other shapes: {', '.join(unlike)}.")
    apart, largest = tensors_apart(then, now)
    return _bounded(
        name, apart, WEIGHTS_BOUND, f"They are {apart:.2g} of their length apart, one value by {largest:.2g}."
    )


def _graph(pair: Pair, name: str) -> Part:
    """Both graphs are asked here and now about the golden batch of then."""
    if pair.graph is None:
        return _different(name, _unmade(pair))
    if file_sha256(pair.graph) == file_sha256(pair.then.graph):
        return _identical(name, pair.choices)
    then, now = (answers(open_graph(graph), pair.then.golden.inputs) for graph in (pair.then.graph, pair.graph))
    if then.shape != now.shape:
        return _different(name, "Its answers have another width.")
    apart, same = answers_apart(then, now), (then.argmax(axis=1) == now.argmax(axis=1)).sum()
    classes = isinstance(pair.then.signature.target, ClassTarget)
    agreement = f", with the same class on {same} of {len(then)}" if classes else ""
    detail = f"Its answers to the golden batch are {apart:.2g} apart{agreement}. {pair.choices}"
    return _bounded(name, apart, _error(pair.then), detail.strip())


def _unmade(pair: Pair) -> str:
    return f"The variant {pair.then.provenance.chosen}, chosen then, could not be made."


def _error(package: ModelPackage) -> float:
    """How far the answers of then may be from the truth on average, on the golden batch; no less than the tolerance.

    Of classes it is the share that a model of this accuracy has wrong in so few samples, at the upper end of its 95 %
    interval; of values the mean absolute error on the test split.
    """
    measured, samples = package.metrics()["variants"][package.provenance.chosen], len(package.golden.inputs)
    if measured["kind"] == "classes":
        error = 1 - wilson_interval(round(measured["accuracy"] * samples), samples)[0]
    else:
        error = float(measured["mae"])
    return max(error, package.signature.golden_tolerance)


def _golden(pair: Pair, name: str) -> Part:
    if not np.array_equal(pair.then.golden.inputs, pair.now.golden.inputs):
        return _different(name, "It holds other samples.")
    return _following(pair, name, "The same samples; its answers follow from the graph.")


def _reference(pair: Pair, name: str) -> Part:
    then, now = (load_file(package.folder / name)["summaries"] for package in (pair.then, pair.now))
    if then.shape != now.shape:
        return _different(name, "It describes other samples.")
    apart = relative(then, now)
    detail = f"Its samples are {apart:.2g} apart; the rest follows from the graph."
    samples = _bounded(name, apart, NUMBER_BOUND, detail)
    return samples if samples.outcome == "different" else _following(pair, name, detail)


def _following(pair: Pair, name: str, detail: str) -> Part:
    """A file that differs in what follows from the graph, which is compared itself."""
    if pair.same_choice:
        return Part(name=name, outcome="within bounds", detail=detail)
    return Part(name=name, outcome="not compared", detail=f"{detail} {_of_another(pair)}")


def _of_another(pair: Pair) -> str:
    return f"It is of {pair.now.provenance.chosen}, which was chosen now."


def _profile(pair: Pair, name: str) -> Part:
    return _document(name, *(read_json(package.folder / name) for package in (pair.then, pair.now)))


def _signature(pair: Pair, name: str) -> Part:
    """Another variant may give other features: how many is left out where another was chosen."""
    then, now = (read_json(package.folder / name) for package in (pair.then, pair.now))
    if pair.same_choice:
        return _document(name, then, now)
    if {**then, "features": None} == {**now, "features": None}:
        return Part(name=name, outcome="not compared", detail=_of_another(pair))
    return _document(name, {**then, "features": None}, {**now, "features": None})


def _document(name: str, then: Any, now: Any) -> Part:
    unlike, apart = documents_apart(then, now)
    if unlike:
        return _different(name, f"It differs in {', '.join(unlike)}.")
    return _bounded(name, apart, NUMBER_BOUND, f"Its numbers are up to {apart:.2g} apart, each over its size.")


def _metrics(pair: Pair, name: str) -> Part:
    """The measures of the variant that was chosen then, of the baseline and of the champion; no latencies."""
    chosen = pair.then.provenance.chosen
    then, now = pair.then.metrics(), pair.now.metrics()
    if chosen not in now["variants"]:
        return _different(name, _unmade(pair))
    measures = then["variants"][chosen], now["variants"][chosen]
    others = ("baseline", "champion") if pair.same_choice else ("baseline",)
    if measures[0] == measures[1] and all(then[other] == now[other] for other in others):
        return _identical(name, f"Every measure but for latencies and memory. {pair.choices}".strip())
    for other in ("baseline", "champion"):
        if unlike := _unlike(other, then[other], now[other]):
            return _different(name, unlike)
    return _bounded(name, *_score(*measures))


def _unlike(title: str, then: dict[str, Any] | None, now: dict[str, Any] | None) -> str | None:
    """What is another one now of a model that was measured beside ours: itself, or its score."""
    if then is None or now is None or any(then.get(word) != now.get(word) for word in ("name", "version", "kind")):
        return None if then == now else f"The {title} is another one."
    if "score" not in then:  # it could not be asked
        return None
    (low, high), score, again = then["interval"], then["score"], now["score"]
    if low <= again <= high:
        return None
    return f"The {title}'s score is {again:.4f}; it was {score:.4f}, with a 95 % interval from {low:.4f} to {high:.4f}."


def _score(then: dict[str, Any], now: dict[str, Any]) -> tuple[float, float, str]:
    """How far the score is off, how far its 95 % interval of then reaches on that side, and both in words."""
    measure = "accuracy" if then["kind"] == "classes" else "r2"
    (low, high), score, again = then[f"{measure}_interval"], then[measure], now[measure]
    reach = high - score if again > score else score - low
    words = f"The score is {again:.4f}; it was {score:.4f}, with a 95 % interval from {low:.4f} to {high:.4f}."
    return abs(again - score), reach, words


COMPARED: dict[str, Callable[[Pair, str], Part]] = {
    WEIGHTS: _weights,
    MODEL: _graph,
    GOLDEN: _golden,
    REFERENCE: _reference,
    METRICS: _metrics,
    PROFILE: _profile,
    SIGNATURE_FILE: _signature,
    PARAMS: _text,
    TOKENIZER: _text,
    LOCK: _lock,
}
"""Files that follow from code, data and parameters, and how two of them are compared."""
