"""What travels with the model: its drift reference and its golden batch, both from the validation split."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from components.contracts import ClassTarget, LabelledArrays, Preprocessing, Target
from components.inference import answers, outputs
from components.package import GoldenBatch
from components.package.reference import DriftReference
from components.sampling import golden_picks, order_statistics
from components.tasks.summaries import summarise

POINTS = 1000
COMPONENTS = 16
BATCH = 512


def golden_batch(session: ort.InferenceSession, target: Target, validation: LabelledArrays, count: int) -> GoldenBatch:
    """Some validation samples with the answers of the chosen graph.

    Args:
        session: the chosen graph.
        target: what it gives.
        validation: at least one sample.
        count: samples, at most.
    """
    inputs = validation.inputs[golden_picks(target, validation.labels, count)]
    return GoldenBatch(inputs, answers(session, inputs))


def drift_reference(session: ort.InferenceSession, fitted: Preprocessing, validation: LabelledArrays) -> DriftReference:
    """How a split looks to the chosen graph.

    Args:
        session: the chosen graph.
        fitted: what the samples are, and what the graph gives.
        validation: at least two samples.
    """
    inputs = validation.inputs
    given, features = outputs(session, [fitted.target.output, "features"], inputs)
    batches = [summarise(fitted.inputs, inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    components = PCA(min(COMPONENTS, *features.shape), random_state=0).fit(features)
    return DriftReference(
        summaries=order_statistics(np.concatenate(batches), POINTS),
        answers=order_statistics(given.max(axis=1), POINTS),
        class_counts=_class_counts(fitted.target, given),
        feature_mean=components.mean_.astype(np.float32),
        feature_components=components.components_.astype(np.float32),
        feature_deviations=np.sqrt(components.explained_variance_).astype(np.float32),
    )


def _class_counts(target: Target, given: NDArray[np.float32]) -> NDArray[np.int64]:
    classes = target.width if isinstance(target, ClassTarget) else 0
    return np.bincount(given.argmax(axis=1), minlength=classes) if classes else np.empty(0, np.int64)
