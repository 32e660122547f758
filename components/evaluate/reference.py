"""What travels with the model: its drift reference and its golden batch, both from the validation split."""

import numpy as np
import onnxruntime as ort
from sklearn.decomposition import PCA

from components.contracts import ClassTarget, LabelledArrays, Preprocessing, Target
from components.inference import answers, outputs
from components.package import GoldenBatch
from components.package.reference import DriftReference
from components.sampling import golden_picks, proportional
from components.tasks.summaries import summarise

SAMPLES = 4000
"""So many samples of the validation split are kept, at most: some 400 kB."""
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
    inputs, target = validation.inputs, fitted.target
    given, features = outputs(session, [target.output, "features"], inputs)
    components = PCA(min(COMPONENTS, *features.shape), random_state=0).fit(features)
    kept = proportional(validation.labels, SAMPLES)
    return DriftReference(
        summaries=np.concatenate(
            [summarise(fitted.inputs, inputs[kept[start : start + BATCH]]) for start in range(0, len(kept), BATCH)]
        ),
        answers=given[kept].max(axis=1),
        classes=(given[kept].argmax(axis=1) if isinstance(target, ClassTarget) else np.empty(0)).astype(np.int32),
        features=components.transform(features[kept]).astype(np.float32),
        feature_mean=components.mean_.astype(np.float32),
        feature_components=components.components_.astype(np.float32),
        feature_deviations=np.sqrt(components.explained_variance_).astype(np.float32),
    )
