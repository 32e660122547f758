"""The files of the gate: the two packages, the samples, the report."""

import tempfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from components.contracts import (
    PREPARED,
    REPORTS,
    ClassTarget,
    Evaluated,
    Incomparable,
    LabelledArrays,
    Preprocessing,
    ValueTarget,
)
from components.errors import DataError
from components.files import file_sha256
from components.gate.checks import Candidate, decide
from components.gate.decision import GateDecision
from components.gate.duels import ClassDuel, Rival, SameGraph, ValueDuel, Withdrawn
from components.gate.samples import SharedSamples, obstacle, renumber, shared_samples
from components.inference import answers, latencies, open_graph
from components.package import ModelPackage
from components.package.encoding import encode_content
from components.params import Params
from components.registry import GRAPH_TAG, ROLLED_BACK, Registry
from components.settings import Settings

REPORT = REPORTS / "gate" / "gate.json"


def judge(params: Params, settings: Settings, version: int) -> GateDecision:
    """Compares a version with the champion of this moment, and writes ``reports/gate/gate.json``.

    Raises:
        RegistryError: there is no such version, or the registry cannot be reached.
        PackageError: a package does not verify.
        DataError: there are no samples in ``data/prepared``, or they are not of the challenger's shape.
    """
    registry = Registry(settings, params.name)
    champion = registry.champion()
    with tempfile.TemporaryDirectory(dir=settings.home) as scratch:
        challenger = _fetch(registry, version, Path(scratch) / "challenger")
        rival: Rival = None
        if champion != version:
            rival = _rival(registry, challenger, champion, Path(scratch) / "champion", params.compress.latency_repeats)
        decision = decide(params.name, _candidate(challenger, version), champion, rival, params.gate)
    decision.write(REPORT)
    return decision


def _rival(registry: Registry, challenger: ModelPackage, champion: int | None, folder: Path, repeats: int) -> Rival:
    """What stands against a challenger that is not the champion; the champion's package is put into ``folder``."""
    graph = file_sha256(challenger.graph)
    withdrawn = _withdrawn(registry, graph)
    if champion is None:
        return withdrawn
    package = _fetch(registry, champion, folder)
    if (file_sha256(package.graph), package.signature) == (graph, challenger.signature):
        return SameGraph(champion, graph)
    return withdrawn or compare(challenger, package, champion, repeats)


def _withdrawn(registry: Registry, graph: str) -> Withdrawn | None:
    """The newest version with this graph that was rolled back."""
    for known in registry.versions():
        if known.tags.get(GRAPH_TAG) == graph and ROLLED_BACK in known.tags:
            return Withdrawn(known.version, known.tags[ROLLED_BACK])
    return None


def compare(
    challenger: ModelPackage, champion: ModelPackage, version: int, repeats: int
) -> ClassDuel | ValueDuel | Incomparable:
    """Asks both about the test samples that were kept from the training of both.

    Args:
        challenger: its package.
        champion: its package.
        version: the champion's.
        repeats: timed inferences of each.

    Raises:
        DataError: there are no test samples, or the challenger cannot take them.
    """
    if not (PREPARED / "preprocessing.json").exists():
        raise DataError(
            f"There is no {PREPARED} here, so there are no test samples to compare version {version} with the "
            "challenger on. Run the line first: 'tunesmith run', or 'dvc repro'."
        )
    reason = obstacle(challenger, champion)
    if reason:
        return Incomparable(version=version, reason=reason)
    target = Preprocessing.read(PREPARED / "preprocessing.json").target
    shared = shared_samples(LabelledArrays.load(PREPARED / "test"), target, challenger, champion)
    if not len(shared.truth):
        return Incomparable(version=version, reason="There is no test sample that both were kept from.")
    return _duel(challenger, champion, version, shared, repeats)


def _duel(
    challenger: ModelPackage, champion: ModelPackage, version: int, shared: SharedSamples, repeats: int
) -> ClassDuel | ValueDuel | Incomparable:
    sessions = {"challenger": open_graph(challenger.graph), "champion": open_graph(champion.graph)}
    inputs = {"challenger": _challenger_inputs(challenger, shared)}
    try:
        inputs["champion"] = encode_content(champion, shared.ids)
    except DataError as error:
        return Incomparable(version=version, reason=str(error))
    times = latencies(sessions, inputs, 1, repeats)
    found = {role: answers(session, inputs[role]) for role, session in sessions.items()}
    common: dict[str, Any] = {
        "champion": version,
        "challenger_ms": times["challenger"].p50,
        "champion_ms": times["champion"].p50,
        "remark": shared.remark,
        "truth": shared.truth,
    }
    match shared.target, challenger.signature.target, champion.signature.target:
        case ClassTarget() as target, ClassTarget() as ours, ClassTarget() as theirs:
            return ClassDuel(
                **common,
                target=target,
                challenger_answers=renumber(found["challenger"].argmax(axis=1), ours.labels, target.labels),
                champion_answers=renumber(found["champion"].argmax(axis=1), theirs.labels, target.labels),
            )
        case ValueTarget() as target, _, _:
            return ValueDuel(
                **common,
                target=target,
                challenger_answers=found["challenger"][:, 0],
                champion_answers=found["champion"][:, 0],
            )
    raise DataError(f"{PREPARED} is for {shared.target.kind}, and the challenger gives something else. Run the line.")


def _challenger_inputs(challenger: ModelPackage, shared: SharedSamples) -> NDArray[Any]:
    try:
        return encode_content(challenger, shared.ids)
    except DataError as error:
        raise DataError(
            f"The challenger cannot be asked about the samples of {PREPARED / 'test'}. {error} "
            "These are not its samples: run the line on its data first."
        ) from None


def _fetch(registry: Registry, version: int, folder: Path) -> ModelPackage:
    registry.download(version, folder)
    return ModelPackage.read(folder)


def _candidate(package: ModelPackage, version: int) -> Candidate:
    figures = package.metrics()
    compression = figures.pop("compression", {})  # packages of before there was a budget do not tell
    measured = Evaluated.model_validate(figures)
    return Candidate(
        version=version,
        target=package.signature.target,
        graph_bytes=package.graph.stat().st_size,
        score=measured.chosen.score,
        baseline=measured.baseline.name,
        baseline_score=measured.baseline.score,
        uncompressed=None if compression.get("within_budget", True) else compression["reason"],
    )
