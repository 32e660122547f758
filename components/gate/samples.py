"""Which samples challenger and champion can both be asked about."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, LabelledArrays, Target, ValueTarget
from components.package import ModelPackage
from components.splits import held_out, untraceable


@dataclass(frozen=True, eq=False)
class SharedSamples:
    """Test samples that neither model was trained on; of classes, those that both know.

    Attributes:
        ids: (samples,) in the sample table.
        truth: (samples,) int64, index into the target's labels, or float32, values.
        target: what both give: the classes that both know, or the value.
        remark: a sentence about the samples that were left out, or nothing.
    """

    ids: NDArray[np.str_]
    truth: NDArray[Any]
    target: Target
    remark: str


def obstacle(challenger: ModelPackage, champion: ModelPackage) -> str | None:
    """Why the champion cannot be asked about the challenger's samples: a sentence; None: it can, as far as is known."""
    ours, theirs = challenger.signature, champion.signature
    if theirs.task != ours.task:
        return f"It does {theirs.task}, the challenger {ours.task}."
    return _other_target(ours.target, theirs.target) or untraceable(
        challenger.provenance.test_share, champion.provenance.test_share
    )


def _other_target(ours: Target, theirs: Target) -> str | None:
    match ours, theirs:
        case ClassTarget(), ClassTarget():
            lost = [label for label in theirs.labels if label not in ours.labels]
            return f"It knows labels that the challenger does not: {', '.join(lost)}." if lost else None
        case ValueTarget(), ValueTarget():
            same = ours.name == theirs.name
            return None if same else f"It predicts '{theirs.name}', the challenger '{ours.name}'."
    return f"It gives {theirs.kind}, the challenger {ours.kind}."


def shared_samples(
    test: LabelledArrays, target: Target, challenger: ModelPackage, champion: ModelPackage
) -> SharedSamples:
    """Chooses among the test samples.

    Args:
        test: the test split of today.
        target: its classes, or its value.
        challenger: its package.
        champion: its package; there is no :func:`obstacle`.
    """
    common, truth = _common(target, test.labels, challenger.signature.target, champion.signature.target)
    kept = held_out(test.ids, challenger.provenance.test_share, champion.provenance.test_share)
    known = truth >= 0 if isinstance(common, ClassTarget) else np.ones(len(truth), np.bool_)
    remarks = []
    if not kept.all():
        remarks.append(f"{(~kept).sum():,} test samples were left out: one of the two was trained on them.")
    if not known.all():
        remarks.append(f"{(~known).sum():,} test samples were left out: one of the two does not know their class.")
    chosen = np.flatnonzero(kept & known)
    return SharedSamples(test.ids[chosen], truth[chosen], common, " ".join(remarks))


def _common(target: Target, labels: NDArray[Any], ours: Target, theirs: Target) -> tuple[Target, NDArray[Any]]:
    """The target that both share, and the labels in its terms."""
    if not isinstance(target, ClassTarget) or not isinstance(ours, ClassTarget) or not isinstance(theirs, ClassTarget):
        return target, labels
    places = [place for place, label in enumerate(ours.labels) if label in theirs.labels]
    known = ClassTarget(
        labels=tuple(ours.labels[place] for place in places), counts=tuple(ours.counts[place] for place in places)
    )
    return known, renumber(labels, target.labels, known.labels)


def renumber(classes: NDArray[np.int64], labels: tuple[str, ...], known: tuple[str, ...]) -> NDArray[np.int64]:
    """Classes as positions in ``known`` instead of ``labels``; -1 for those that are not in it."""
    places = {label: place for place, label in enumerate(known)}
    return np.array([places.get(label, -1) for label in labels])[classes]
