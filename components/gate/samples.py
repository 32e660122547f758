"""Which samples challenger and champion can both be asked about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import LabelledArrays
from components.package import ModelPackage
from components.splits import held_out, untraceable


@dataclass(frozen=True, eq=False)
class SharedSamples:
    """Test samples that neither model was trained on, of classes that both know.

    Attributes:
        inputs: (samples, height, width, channels) uint8.
        truth: (samples,) int64, index into ``labels``.
        labels: the classes that both know.
        remark: a sentence about the samples that were left out, or nothing.
    """

    inputs: NDArray[np.uint8]
    truth: NDArray[np.int64]
    labels: tuple[str, ...]
    remark: str


def obstacle(challenger: ModelPackage, champion: ModelPackage) -> str | None:
    """Why the champion cannot be asked about the challenger's samples: a sentence; None: it can."""
    ours, theirs = challenger.signature, champion.signature
    if theirs.task != ours.task:
        return f"It does {theirs.task}, the challenger {ours.task}."
    if theirs.shape != ours.shape:
        return f"It takes images of {_size(theirs.shape)}, the challenger of {_size(ours.shape)}."
    lost = [label for label in theirs.labels if label not in ours.labels]
    if lost:
        return f"It knows labels that the challenger does not: {', '.join(lost)}."
    return untraceable(challenger.provenance.test_share, champion.provenance.test_share)


def shared_samples(
    test: LabelledArrays, labels: tuple[str, ...], challenger: ModelPackage, champion: ModelPackage
) -> SharedSamples:
    """Chooses among the test samples.

    Args:
        test: the test split of today.
        labels: the names of its classes.
        challenger: its package.
        champion: its package; there is no :func:`obstacle`.
    """
    known = tuple(label for label in challenger.signature.labels if label in champion.signature.labels)
    truth = renumber(test.labels, labels, known)
    kept = held_out(test.ids, challenger.provenance.test_share, champion.provenance.test_share)
    chosen = np.flatnonzero(kept & (truth >= 0))
    remarks = []
    if not kept.all():
        remarks.append(f"{(~kept).sum():,} test samples were left out: one of the two was trained on them.")
    if (truth < 0).any():
        remarks.append(f"{(truth < 0).sum():,} test samples were left out: one of the two does not know their class.")
    return SharedSamples(test.inputs[chosen], truth[chosen], known, " ".join(remarks))


def renumber(classes: NDArray[np.int64], labels: tuple[str, ...], known: tuple[str, ...]) -> NDArray[np.int64]:
    """Classes as positions in ``known`` instead of ``labels``; -1 for those that are not in it."""
    places = {label: place for place, label in enumerate(known)}
    return np.array([places.get(label, -1) for label in labels])[classes]


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
