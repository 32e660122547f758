"""The drift reference of a package: how the validation split looks to the model, for a monitor to compare with."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from components.files import write_bytes


@dataclass(frozen=True)
class DriftReference:
    """What requests are compared with: samples of the validation split as a log of predictions would have them.

    The rows of summaries, answers, classes and features are the same samples, so that windows can be drawn from them.

    Attributes:
        summaries: (samples, summaries) float32, in the order of :func:`components.tasks.summaries.summary_names`.
        answers: (samples,) float32: the largest probability of each answer, or the value.
        classes: (samples,) int32, the class that was answered; of values: empty.
        features: (samples, components) float32, along the components.
        feature_mean: (features,) float32.
        feature_components: (components, features) float32, orthonormal principal components, the largest first.
        feature_deviations: (components,) float32, standard deviation of the features along each component.
    """

    summaries: NDArray[np.float32]
    answers: NDArray[np.float32]
    classes: NDArray[np.int32]
    features: NDArray[np.float32]
    feature_mean: NDArray[np.float32]
    feature_components: NDArray[np.float32]
    feature_deviations: NDArray[np.float32]

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features, (samples, features), along the components: (samples, components)."""
        return ((features - self.feature_mean) @ self.feature_components.T).astype(np.float32)

    def save(self, path: Path) -> None:
        """Writes a safetensors file."""
        arrays: dict[str, NDArray[Any]] = {field.name: getattr(self, field.name) for field in fields(self)}
        write_bytes(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what :meth:`save` has written."""
        tensors = load_file(path)
        return cls(**{field.name: tensors[field.name] for field in fields(cls)})
