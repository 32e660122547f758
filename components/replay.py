"""What a version would have answered: the recorded inputs of a time, answered again and compared."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, Record
from components.errors import DataError
from components.inference import answers, open_graph
from components.package import ModelPackage
from components.package.reading import reading_of
from components.predictions import (
    blocks,
    feedback_columns,
    feedback_folder,
    prediction_columns,
    predictions_folder,
    read,
)
from components.registry import Registry
from components.settings import Settings
from components.shadow import SHOWN_CHANGES, Change

if TYPE_CHECKING:
    import pyarrow as pa


class Corrected(Record):
    """Samples of which people have said what the answer should have been."""

    samples: int
    before: float
    """Share of right labels, or mean absolute error, of what was answered."""
    after: float
    """The same of the candidate."""


class Replay(Record):
    """What would change."""

    candidate: int
    answered_by: dict[int, int]
    """Samples by the version that had answered them."""
    samples: int
    agreement: float
    """Share of samples with the same label, or with values that no golden test would tell apart."""
    confidence_before: float | None
    """Mean of the largest probability; None: values have none."""
    confidence_after: float | None
    mean_difference: float | None
    """Mean of the candidate's value less the answered one; None: classes."""
    largest_difference: float | None
    changes: tuple[Change, ...]
    """The most frequent ones: ``champion`` is what was answered, ``challenger`` what would be."""
    corrected: Corrected | None
    """None: nobody has corrected any of them."""

    def sentence(self) -> str:
        """The same in words."""
        told = f"Version {self.candidate} answers {self.agreement:.1%} of {self.samples:,} recorded samples alike"
        if self.confidence_before is not None and self.confidence_after is not None:
            told += f"; mean confidence {self.confidence_after:.3f}, was {self.confidence_before:.3f}"
        if self.mean_difference is not None:
            told += f"; {self.mean_difference:+.4g} on average, {self.largest_difference:.4g} at most"
        if self.corrected:
            told += (
                f"; of {self.corrected.samples:,} corrected samples: {self.corrected.after:.4g}, was "
                f"{self.corrected.before:.4g}"
            )
        return f"{told}."


@dataclass
class Tally:
    """What has been compared so far."""

    answered_by: Counter[int] = field(default_factory=Counter)
    agreed: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    confidence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    difference: float = 0.0
    largest: float = 0.0
    right: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    corrected: int = 0


def replay(
    settings: Settings,
    name: str,
    version: int,
    since: datetime,
    until: datetime,
    walked: Callable[[int], None] = lambda samples: None,
) -> Replay:
    """Answers the recorded inputs of a time by a version, and compares.

    Args:
        settings: where registry and prediction log are.
        name: of the registered model.
        version: the candidate.
        since: UTC, included.
        until: UTC, left out.
        walked: told of how many samples more were answered.

    Raises:
        DataError: no input was recorded then, or the candidate takes others.
        RegistryError: there is no such version, or the registry cannot be reached.
        PackageError: a package is not whole.
    """
    with tempfile.TemporaryDirectory() as folder:
        candidate = Candidate.fetched(Registry(settings, name), version, Path(folder))
        truths = _truths(settings, name)
        tally = Tally()
        for recorded in _recorded(predictions_folder(settings, name), candidate.packages, since, until):
            _compare(candidate, recorded, truths, tally)
            walked(recorded.num_rows)
    if not tally.answered_by:
        raise DataError(
            f"No input of '{name}' was recorded from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC. Servers "
            "record inputs with TUNESMITH_LOG_INPUTS=true, below predictions/ of their home folder."
        )
    return _result(version, candidate.is_classes, tally)


class Candidate:
    """The version that answers again, and those that had answered.

    Args:
        registry: where they are.
        package: of the candidate.
        scratch: folder for the packages of the others.
    """

    def __init__(self, registry: Registry, package: ModelPackage, scratch: Path) -> None:
        self._registry, self._package, self._scratch = registry, package, scratch
        self._session = open_graph(package.graph)
        self._known = set[int]()

    @classmethod
    def fetched(cls, registry: Registry, version: int, scratch: Path) -> "Candidate":
        """Fetches and verifies a version."""
        registry.download(version, scratch / "candidate")
        return cls(registry, ModelPackage.read(scratch / "candidate"), scratch)

    @property
    def packages(self) -> tuple[str, ...]:
        """Digests of the packages of its registry."""
        return tuple(version.digest for version in self._registry.versions())

    @property
    def is_classes(self) -> bool:
        """Whether it answers with classes."""
        return isinstance(self._package.signature.target, ClassTarget)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of its classes."""
        target = self._package.signature.target
        return target.labels if isinstance(target, ClassTarget) else ()

    @property
    def tolerance(self) -> float:
        """Values closer than this are the same."""
        return self._package.signature.target.tolerance

    def answers(self, inputs: list[bytes], version: int) -> NDArray[np.float32]:
        """Its answers to what a graph was given.

        Args:
            inputs: as they are recorded.
            version: that had answered.

        Raises:
            DataError: that takes other inputs.
        """
        self._require_comparable(version)
        taken = self._package.inputs
        arrays = np.frombuffer(b"".join(inputs), taken.dtype).reshape(len(inputs), *taken.shape)
        return answers(self._session, arrays)

    def _require_comparable(self, version: int) -> None:
        if version in self._known:
            return
        self._registry.download(version, self._scratch / str(version))
        other = ModelPackage.read(self._scratch / str(version))
        if reading_of(self._package) != reading_of(other):
            raise DataError(
                f"Version {version} had answered, and reads its inputs otherwise than the candidate (another size, "
                "vocabulary, or other columns), so what its graph was given means nothing to the candidate. Replay a "
                "time in which a version with the same inputs answered."
            )
        self._known.add(version)


def _recorded(folder: Path, packages: Sequence[str], since: datetime, until: datetime) -> Iterator["pa.Table"]:
    """Rows with an input, of one version each, that was answered by one of these packages.

    Another registry that the home folder has served numbers its versions alike; a row of an older release says none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ours = pa.array([None, *packages], pa.string())
    for block in blocks(folder, prediction_columns(), since, until):
        rows = block.filter(pc.and_(pc.is_valid(block["input"]), pc.is_in(block["package"], ours)))
        for version in pc.unique(rows["version"]).to_pylist():
            yield rows.filter(pc.equal(rows["version"], version))


def _truths(settings: Settings, name: str) -> dict[tuple[str, int], Any]:
    """What people have said, by request and sample; the last word counts, and may be that nothing is said any more."""
    rows = read(feedback_folder(settings, name), feedback_columns()).sort_by("time").to_pylist()
    last = {(row["request_id"], row["sample"]): row["label"] or row["value"] for row in rows}
    return {sample: truth for sample, truth in last.items() if truth is not None}


def _compare(candidate: Candidate, rows: "pa.Table", truths: dict[tuple[str, int], Any], tally: Tally) -> None:
    version = rows["version"][0].as_py()
    given = candidate.answers(rows["input"].to_pylist(), version)
    tally.answered_by[version] += rows.num_rows
    names = list(zip(rows["request_id"].to_pylist(), rows["sample"].to_pylist(), strict=True))
    known = [(place, truths[name]) for place, name in enumerate(names) if name in truths]
    tally.corrected += len(known)
    if candidate.is_classes:
        _compare_labels(candidate, rows, given, known, tally)
    else:
        _compare_values(candidate, rows, given, known, tally)


def _compare_labels(
    candidate: Candidate, rows: "pa.Table", given: NDArray[np.float32], known: list[tuple[int, Any]], tally: Tally
) -> None:
    before = rows["label"].to_pylist()
    after = [candidate.labels[place] for place in given.argmax(axis=1)]
    for pair in zip(before, after, strict=True):
        if pair[0] == pair[1]:
            tally.agreed += 1
        else:
            tally.changes[pair] += 1
    tally.confidence += (np.sum(rows["confidence"].to_numpy(), dtype=np.float64), given.max(axis=1).sum())
    for place, truth in known:
        tally.right += (before[place] == truth, after[place] == truth)


def _compare_values(
    candidate: Candidate, rows: "pa.Table", given: NDArray[np.float32], known: list[tuple[int, Any]], tally: Tally
) -> None:
    before, after = rows["value"].to_numpy(), given[:, 0]
    difference = after.astype(np.float64) - before
    tally.agreed += int((np.abs(difference) <= candidate.tolerance).sum())
    tally.difference += float(difference.sum())
    tally.largest = max(tally.largest, float(np.abs(difference).max()))
    for place, truth in known:
        tally.right += (abs(before[place] - truth), abs(after[place] - truth))


def _result(version: int, is_classes: bool, tally: Tally) -> Replay:
    samples = tally.answered_by.total()
    before, after = (tally.confidence / samples).tolist()
    right = (tally.right / max(1, tally.corrected)).tolist()
    return Replay(
        candidate=version,
        answered_by=dict(tally.answered_by),
        samples=samples,
        agreement=tally.agreed / samples,
        confidence_before=before if is_classes else None,
        confidence_after=after if is_classes else None,
        mean_difference=None if is_classes else tally.difference / samples,
        largest_difference=None if is_classes else tally.largest,
        changes=tuple(
            Change(champion=one, challenger=other, samples=count)
            for (one, other), count in tally.changes.most_common(SHOWN_CHANGES)
        ),
        corrected=Corrected(samples=tally.corrected, before=right[0], after=right[1]) if tally.corrected else None,
    )
