"""What travels with the model: its drift reference and its golden batch, both from the validation split."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from components.contracts import LabelledArrays
from components.evaluate.sampling import balanced, order_statistics
from components.inference import outputs, probabilities
from components.package import GoldenBatch
from components.package.reference import DriftReference
from components.tasks.summaries import summarise_images

POINTS = 1000
COMPONENTS = 16
BATCH = 512


def golden_batch(session: ort.InferenceSession, validation: LabelledArrays, count: int) -> GoldenBatch:
    """The first validation samples of each class in turn, with the answers of the chosen graph.

    Args:
        session: the chosen graph.
        validation: at least one sample.
        count: samples, at most.
    """
    inputs = validation.inputs[balanced(validation.labels, count)]
    return GoldenBatch(inputs, probabilities(session, inputs))


def drift_reference(session: ort.InferenceSession, inputs: NDArray[np.uint8]) -> DriftReference:
    """How a split looks to the chosen graph.

    Args:
        session: the chosen graph.
        inputs: (samples, height, width, channels) uint8, at least two samples.
    """
    answers, features = outputs(session, ["probabilities", "features"], inputs)
    batches = [summarise_images(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    components = PCA(min(COMPONENTS, *features.shape), random_state=0).fit(features)
    return DriftReference(
        summaries=order_statistics(np.concatenate(batches), POINTS),
        confidences=order_statistics(answers.max(axis=1), POINTS),
        class_counts=np.bincount(answers.argmax(axis=1), minlength=answers.shape[1]),
        feature_mean=components.mean_.astype(np.float32),
        feature_components=components.components_.astype(np.float32),
        feature_deviations=np.sqrt(components.explained_variance_).astype(np.float32),
    )
