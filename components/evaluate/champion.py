"""The champion on the same samples as the challenger: those that neither was trained on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import (
    CHAMPION,
    ChampionRef,
    ClassComparison,
    ClassTarget,
    Comparison,
    Incomparable,
    LabelledArrays,
    Target,
    ValueComparison,
    ValueTarget,
)
from components.errors import DataError
from components.evaluate.classes.metrics import mcnemar_p_value
from components.evaluate.values.metrics import signed_rank_p_value
from components.inference import answers, open_graph
from components.package import ModelPackage, ModelSignature, verify
from components.package.encoding import encode_content
from components.settings import Settings
from components.splits import held_out, untraceable
from components.tasks.intervals import bootstrap_interval, wilson_interval
from components.tasks.score import r_squared

NAMED = 5
"""Labels that a sentence names, at most."""


def compare_with_champion(
    task: str,
    target: Target,
    test_share: float | None,
    test: LabelledArrays,
    given: NDArray[np.float32],
    settings: Settings,
) -> Comparison | Incomparable | None:
    """Asks the champion of ``data/champion`` about the test samples that it was not trained on.

    Args:
        task: what the challenger does.
        target: what it gives.
        test_share: share of content hashes that was kept for test; None: the source has a test split of its own.
        test: the samples.
        given: (samples, target.width) the challenger's answers.
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
    reason = difference(package.signature, task, target) or untraceable(test_share, champion_share)
    if reason:
        return Incomparable(version=version, reason=reason)
    kept = np.flatnonzero(held_out(test.ids, test_share, champion_share))
    if not len(kept):
        return Incomparable(version=version, reason="There is no test sample that both were kept from.")
    try:
        inputs = encode_content(package, test.ids[kept])
    except DataError as error:
        return Incomparable(version=version, reason=str(error))
    champions = answers(open_graph(package.graph, settings.threads), inputs)
    return compare(version, target, champions, given[kept], test.labels[kept])


def difference(champion: ModelSignature, task: str, target: Target) -> str | None:
    """Why the champion cannot be asked about the challenger's samples: a sentence, or None if it can."""
    if champion.task != task:
        return f"It does {champion.task}, the challenger {task}."
    match champion.target, target:
        case ClassTarget() as theirs, ClassTarget() as ours:
            return _other_labels(theirs, ours)
        case ValueTarget(name=theirs_name), ValueTarget(name=our_name):
            same = theirs_name == our_name
            return None if same else f"It predicts '{theirs_name}', the challenger '{our_name}'."
        case theirs, ours:
            return f"It gives {theirs.kind}, the challenger {ours.kind}."


def _other_labels(champion: ClassTarget, challenger: ClassTarget) -> str | None:
    if champion.labels == challenger.labels:
        return None
    if set(champion.labels) == set(challenger.labels):
        return "It has the same labels in another order."
    only_theirs = [label for label in champion.labels if label not in challenger.labels]
    only_ours = [label for label in challenger.labels if label not in champion.labels]
    return f"It has other labels: only it knows {_names(only_theirs)}, only the challenger knows {_names(only_ours)}."


def compare(
    version: int,
    target: Target,
    champion: NDArray[np.float32],
    challenger: NDArray[np.float32],
    labels: NDArray[Any],
) -> Comparison:
    """Holds the answers of two models against each other, sample by sample.

    Args:
        version: of the champion.
        target: what both give.
        champion: (samples, target.width) its answers.
        challenger: (samples, target.width) the challenger's.
        labels: (samples,) the truth.
    """
    if isinstance(target, ClassTarget):
        return _compare_classes(version, champion.argmax(axis=1), challenger.argmax(axis=1), labels, target.width)
    return _compare_values(version, champion[:, 0], challenger[:, 0], labels)


def _compare_classes(
    version: int,
    champion: NDArray[np.int64],
    challenger: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
) -> ClassComparison:
    champion_right, challenger_right = champion == labels, challenger == labels
    only_challenger = int((challenger_right & ~champion_right).sum())
    only_champion = int((champion_right & ~challenger_right).sum())
    gained = np.bincount(labels, challenger_right, classes) - np.bincount(labels, champion_right, classes)
    support = np.bincount(labels, minlength=classes)
    return ClassComparison(
        version=version,
        samples=len(labels),
        score=float(champion_right.mean()),
        interval=wilson_interval(int(champion_right.sum()), len(labels)),
        challenger_score=float(challenger_right.mean()),
        recall_gains=tuple(float(gain / of) if of else None for gain, of in zip(gained, support, strict=True)),
        only_challenger_right=only_challenger,
        only_champion_right=only_champion,
        p_value=mcnemar_p_value(only_challenger, only_champion),
    )


def _compare_values(
    version: int, champion: NDArray[np.float32], challenger: NDArray[np.float32], labels: NDArray[np.float32]
) -> ValueComparison:
    truth = labels.astype(np.float64)
    theirs, ours = np.abs(champion - truth), np.abs(challenger - truth)
    return ValueComparison(
        version=version,
        samples=len(labels),
        score=r_squared(champion, labels),
        interval=bootstrap_interval(champion, labels),
        challenger_score=r_squared(challenger, labels),
        rmse=float(np.sqrt((theirs**2).mean())),
        challenger_rmse=float(np.sqrt((ours**2).mean())),
        closer=int((ours < theirs).sum()),
        p_value=signed_rank_p_value(ours, theirs),
    )


def _names(labels: list[str]) -> str:
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return (", ".join(labels[:NAMED]) or "none") + more
