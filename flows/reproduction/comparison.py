"""Two packages of a version, file by file: the registered one, and the one that was made again.

A file that is equal byte for byte is told as identical, and nothing else is asked. Of the others it is told how far
they are apart, and whether that is within the bounds of another machine: there sums are rounded in another order, and
a training carries that on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from components.contracts import COMPRESSED, TOKENIZER, ClassTarget, Compressed, Record
from components.files import file_sha256, read_json
from components.inference import answers, open_graph
from components.package import ModelPackage
from components.package.manifest import MANIFEST, SIGNATURE
from components.package.model import GOLDEN, LOCK, METRICS, MODEL, PARAMS, PROFILE, REFERENCE, SIGNATURE_FILE, WEIGHTS

Outcome = Literal["identical", "within bounds", "different", "not compared"]
Tensors = dict[str, NDArray[Any]]

WEIGHTS_BOUND = 0.05
"""Length of the difference of all weights over the length of all weights."""
NUMBER_BOUND = 1e-5
"""Relative difference of a number that follows from the data alone: float32 sums in another order stay below."""
UNNAMED = "It says when, where and of what the package was made."


class Part(Record):
    """One file of the package."""

    name: str
    outcome: Outcome
    detail: str
    difference: float | None = None
    """The largest, in the unit that the detail names."""
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
    def of(cls, then: ModelPackage, now: ModelPackage, root: Path) -> "Pair":
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
        return Part(name=name, outcome="different", detail=f"The {which} has none.")
    if file_sha256(then) == file_sha256(now):
        return Part(name=name, outcome="identical", detail="")
    return COMPARED.get(name, _unnamed)(pair, name)


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


def _unnamed(pair: Pair, name: str) -> Part:
    return Part(name=name, outcome="not compared", detail=UNNAMED)


def _text(pair: Pair, name: str) -> Part:
    return Part(name=name, outcome="different", detail="It must be the same, byte for byte.")


def _bounded(name: str, difference: float, bound: float, detail: str) -> Part:
    """Within bounds or not; what is no number is not."""
    outcome: Outcome = "within bounds" if difference <= bound else "different"
    return Part(name=name, outcome=outcome, detail=detail, difference=difference, bound=bound)


def _weights(pair: Pair, name: str) -> Part:
    then, now = (load_file(package.folder / name) for package in (pair.then, pair.now))
    unlike = _other_shape(then, now)
    if unlike:
        return Part(name=name, outcome="different", detail=unlike)
    values, others = (np.concatenate([one[key].ravel().astype(np.float64) for key in then]) for one in (then, now))
    apart = float(np.linalg.norm(others - values) / np.linalg.norm(values))
    largest = float(np.abs(others - values).max())
    return _bounded(name, apart, WEIGHTS_BOUND, f"They are {apart:.2g} of their length apart, one by {largest:.2g}.")


def _other_shape(then: Tensors, now: Tensors) -> str | None:
    """What two sets of tensors cannot be compared for, as a sentence."""
    shapes, others = ({name: (array.shape, array.dtype) for name, array in one.items()} for one in (then, now))
    unlike = sorted(name for name in shapes.keys() | others.keys() if shapes.get(name) != others.get(name))
    return f"Tensors of other shapes: {', '.join(unlike[:5])}." if unlike else None


def _graph(pair: Pair, name: str) -> Part:
    """Both graphs are asked here and now about the golden batch of then."""
    chosen, golden = pair.then.provenance.chosen, pair.then.golden.inputs
    if pair.graph is None:
        return Part(name=name, outcome="different", detail=f"The variant {chosen}, chosen then, could not be made.")
    choice = "" if pair.same_choice else f" {pair.now.provenance.chosen} was chosen, by latency; {chosen} is compared."
    if file_sha256(pair.graph) == file_sha256(pair.then.graph):
        return Part(name=name, outcome="identical", detail=choice.strip())
    then, now = (answers(open_graph(graph), golden) for graph in (pair.then.graph, pair.graph))
    if then.shape != now.shape:
        return Part(name=name, outcome="different", detail="Its answers have another width.")
    largest = float(np.abs(then - now).max())
    detail = f"Its answers to the golden batch are up to {largest:.2g} apart{_agreement(pair, then, now)}.{choice}"
    return _bounded(name, largest, pair.then.signature.golden_tolerance, detail)


def _agreement(pair: Pair, then: NDArray[Any], now: NDArray[Any]) -> str:
    if not isinstance(pair.then.signature.target, ClassTarget):
        return ""
    return f", with the same class on {(then.argmax(axis=1) == now.argmax(axis=1)).sum()} of {len(then)}"


def _golden(pair: Pair, name: str) -> Part:
    if not np.array_equal(pair.then.golden.inputs, pair.now.golden.inputs):
        return Part(name=name, outcome="different", detail="It holds other samples.")
    return _follows(name, "The same samples; its answers follow from the graph.")


def _follows(name: str, detail: str) -> Part:
    """A file whose other values are those of another one, which is compared."""
    return Part(name=name, outcome="within bounds", detail=detail)


def _reference(pair: Pair, name: str) -> Part:
    then, now = (load_file(package.folder / name)["summaries"] for package in (pair.then, pair.now))
    if then.shape != now.shape:
        return Part(name=name, outcome="different", detail="It describes other samples.")
    apart = _relative(then.astype(np.float64), now.astype(np.float64))
    return _bounded(name, apart, NUMBER_BOUND, f"Its samples are {apart:.2g} apart; the rest follows from the graph.")


def _relative(then: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    """The largest difference, each over the larger of the two."""
    apart, size = np.abs(then - now), np.maximum(np.abs(then), np.abs(now))
    return float(np.divide(apart, size, out=apart, where=size > 0).max(initial=0.0))


def _document(pair: Pair, name: str) -> Part:
    return _numbers(name, *(read_json(package.folder / name) for package in (pair.then, pair.now)))


def _numbers(name: str, then: Any, now: Any) -> Part:
    """Two JSON documents that may differ in the last digits of numbers."""
    (floats, exact), (other_floats, other_exact) = (_leaves_of(document) for document in (then, now))
    unlike = {place for place, _ in exact.items() ^ other_exact.items()} | (floats.keys() ^ other_floats.keys())
    if unlike:
        return Part(name=name, outcome="different", detail=f"It differs in {', '.join(sorted(unlike)[:5])}.")
    apart = _relative(*(np.array([one[place] for place in floats]) for one in (floats, other_floats)))
    return _bounded(name, apart, NUMBER_BOUND, f"Its numbers are up to {apart:.2g} apart, each over its size.")


def _leaves_of(document: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """The floats of a JSON document by their places, and its other values by theirs."""
    leaves = dict(_leaves(document))
    floats = {place: value for place, value in leaves.items() if isinstance(value, float)}
    return floats, {place: value for place, value in leaves.items() if place not in floats}


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _leaves(inner, f"{place}.{key}".lstrip("."))
    else:
        yield place, value


def _metrics(pair: Pair, name: str) -> Part:
    """The measures of the variant that was chosen then, of the baseline, and against the champion; no latencies."""
    chosen = pair.then.provenance.chosen
    then, now = pair.then.metrics(), pair.now.metrics()
    if chosen not in now["variants"]:
        return Part(name=name, outcome="different", detail=f"The variant {chosen}, chosen then, could not be made.")
    measures = then["variants"][chosen], now["variants"][chosen]
    if measures[0] == measures[1] and (then["baseline"], then["champion"]) == (now["baseline"], now["champion"]):
        return Part(name=name, outcome="identical", detail="Every measure but for latencies and memory.")
    return _bounded(name, *_score(*measures))


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
    PROFILE: _document,
    SIGNATURE_FILE: _document,
    PARAMS: _text,
    TOKENIZER: _text,
    LOCK: _lock,
}
"""Files that follow from code, data and parameters, and how two of them are compared."""
