"""The champion on the same samples as the challenger: those that neither was trained on."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import (
    CHAMPION,
    ChampionRef,
    Comparison,
    Incomparable,
    LabelledArrays,
    Preprocessing,
)
from components.evaluate.metrics import mcnemar_p_value
from components.inference import open_graph, probabilities
from components.package import ModelPackage, ModelSignature, verify
from components.settings import Settings
from components.splits import held_out, untraceable

NAMED = 5
"""Labels that a sentence names, at most."""


def compare_with_champion(
    task: str,
    fitted: Preprocessing,
    test_share: float | None,
    test: LabelledArrays,
    predicted: NDArray[np.int64],
    settings: Settings,
) -> Comparison | Incomparable | None:
    """Asks the champion of ``data/champion`` about the test samples that it was not trained on.

    Args:
        task: what the challenger does.
        fitted: shape and labels of its samples.
        test_share: share of content hashes that was kept for test; None: the source has a test split of its own.
        test: the samples.
        predicted: (samples,) the challenger's answers.
        settings: which keys are trusted, how many threads to use.

    Returns:
        None if there is no champion.

    Raises:
        PackageError: the champion's package is damaged, incomplete or not signed by a trusted key.
    """
    version = ChampionRef.read(CHAMPION / "champion.json").version
    if version is None:
        return None
    folder: Path = CHAMPION / "package"
    verify(folder, settings.public_keys)
    package = ModelPackage.read(folder)
    champion_share = package.provenance.test_share
    reason = difference(package.signature, task, fitted) or untraceable(test_share, champion_share)
    if reason:
        return Incomparable(version=version, reason=reason)
    kept = np.flatnonzero(held_out(test.ids, test_share, champion_share))
    if not len(kept):
        return Incomparable(version=version, reason="There is no test sample that both were kept from.")
    inputs = test.inputs if len(kept) == len(test.ids) else test.inputs[kept]
    answers = probabilities(open_graph(package.graph, settings.threads), inputs).argmax(axis=1)
    return compare(version, answers, predicted[kept], test.labels[kept], len(fitted.labels))


def difference(champion: ModelSignature, task: str, fitted: Preprocessing) -> str | None:
    """Why the champion cannot be asked about the challenger's samples: a sentence, or None if it can."""
    if champion.task != task:
        return f"It does {champion.task}, the challenger {task}."
    theirs = (champion.height, champion.width, champion.channels)
    ours = (fitted.height, fitted.width, fitted.channels)
    if theirs != ours:
        return f"It takes images of {_size(theirs)}; the test samples are {_size(ours)}."
    if champion.labels == fitted.labels:
        return None
    if set(champion.labels) == set(fitted.labels):
        return "It has the same labels in another order."
    only_theirs = [label for label in champion.labels if label not in fitted.labels]
    only_ours = [label for label in fitted.labels if label not in champion.labels]
    return f"It has other labels: only it knows {_names(only_theirs)}, only the challenger knows {_names(only_ours)}."


def compare(
    version: int,
    champion: NDArray[np.int64],
    challenger: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
) -> Comparison:
    """Holds the answers of two models against each other, sample by sample.

    Args:
        version: of the champion.
        champion: (samples,) its answers.
        challenger: (samples,) the challenger's.
        labels: (samples,) the truth.
        classes: number of classes.
    """
    champion_right, challenger_right = champion == labels, challenger == labels
    only_challenger = int((challenger_right & ~champion_right).sum())
    only_champion = int((champion_right & ~challenger_right).sum())
    gained = np.bincount(labels, challenger_right, classes) - np.bincount(labels, champion_right, classes)
    support = np.bincount(labels, minlength=classes)
    return Comparison(
        version=version,
        samples=len(labels),
        accuracy=float(champion_right.mean()),
        challenger_accuracy=float(challenger_right.mean()),
        recall_gains=tuple(float(gain / of) if of else None for gain, of in zip(gained, support, strict=True)),
        only_challenger_right=only_challenger,
        only_champion_right=only_champion,
        p_value=mcnemar_p_value(only_challenger, only_champion),
    )


def _size(shape: tuple[int, int, int]) -> str:
    return " × ".join(map(str, shape))


def _names(labels: list[str]) -> str:
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return (", ".join(labels[:NAMED]) or "none") + more
