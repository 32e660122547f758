"""The files of the gate: the two packages, the samples, the report."""

import tempfile
from pathlib import Path

from components.contracts import PREPARED, REPORTS, Incomparable, LabelledArrays, Preprocessing
from components.errors import DataError
from components.files import file_sha256
from components.gate.checks import Candidate, Duel, Rival, SameGraph, Withdrawn, decide
from components.gate.decision import GateDecision
from components.gate.samples import obstacle, renumber, shared_samples
from components.inference import latencies, open_graph, probabilities
from components.package import ModelPackage
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


def compare(challenger: ModelPackage, champion: ModelPackage, version: int, repeats: int) -> Duel | Incomparable:
    """Asks both about the test samples that were kept from the training of both.

    Args:
        challenger: its package.
        champion: its package.
        version: the champion's.
        repeats: timed inferences of each.

    Raises:
        DataError: there are no test samples, or they are not of the challenger's shape.
    """
    if not (PREPARED / "preprocessing.json").exists():
        raise DataError(
            f"There is no {PREPARED} here, so there are no test samples to compare version {version} with the "
            "challenger on. Run the line first: 'tunesmith run', or 'dvc repro'."
        )
    test = LabelledArrays.load(PREPARED / "test")
    if test.inputs.shape[1:] != challenger.signature.shape:
        raise DataError(
            f"{PREPARED / 'test'} holds images of shape {test.inputs.shape[1:]}, and the challenger takes "
            f"{challenger.signature.shape}: these are not its samples. Run the line on its data first."
        )
    reason = obstacle(challenger, champion)
    if reason:
        return Incomparable(version=version, reason=reason)
    labels = Preprocessing.read(PREPARED / "preprocessing.json").labels
    shared = shared_samples(test, labels, challenger, champion)
    if not len(shared.truth):
        return Incomparable(version=version, reason="There is no test sample that both were kept from.")
    sessions = {"challenger": open_graph(challenger.graph), "champion": open_graph(champion.graph)}
    times = latencies(sessions, shared.inputs, 1, repeats)
    answers = {
        role: renumber(
            probabilities(sessions[role], shared.inputs).argmax(axis=1), package.signature.labels, shared.labels
        )
        for role, package in (("challenger", challenger), ("champion", champion))
    }
    return Duel(
        champion=version,
        labels=shared.labels,
        truth=shared.truth,
        challenger_answers=answers["challenger"],
        champion_answers=answers["champion"],
        challenger_ms=times["challenger"].p50,
        champion_ms=times["champion"].p50,
        remark=shared.remark,
    )


def _fetch(registry: Registry, version: int, folder: Path) -> ModelPackage:
    registry.download(version, folder)
    return ModelPackage.read(folder)


def _candidate(package: ModelPackage, version: int) -> Candidate:
    metrics = package.metrics()
    return Candidate(
        version=version,
        graph_bytes=package.graph.stat().st_size,
        accuracy=metrics["chosen"]["accuracy"],
        baseline=metrics["baseline"],
        baseline_accuracy=metrics["baseline_accuracy"],
    )
