"""A trained model under test: a champion as the server holds it, and held-out samples as a client would send them."""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, ValueTarget
from components.params import load_params
from components.settings import Settings
from flows.questions import Question, questions
from serving.decoding import Limits
from serving.model import ServedModel
from serving.registry import open_registry
from tests.following import follower_of

SAMPLES = 400
"""Most held-out samples that are asked about."""
BATCH = 64
JSON = "application/json"


@dataclass(frozen=True, eq=False, repr=False)
class Subject:
    """What is asked, and what it is asked about.

    Attributes:
        model: the champion.
        questions: held-out samples.
    """

    model: ServedModel
    questions: list[Question]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its classes."""
        assert isinstance(self.model.signature.target, ClassTarget)
        return self.model.signature.target.labels

    @property
    def values(self) -> ValueTarget:
        """What its values are like."""
        assert isinstance(self.model.signature.target, ValueTarget)
        return self.model.signature.target

    @property
    def truths(self) -> NDArray[Any]:
        """Of each sample: (samples,) int64, the position of its class, or float64, its value."""
        known = [question.truth for question in self.questions]
        return np.array([self.classes.index(truth) if isinstance(truth, str) else truth for truth in known])

    @property
    def samples(self) -> list[Any]:
        """Texts or rows, as JSON holds them."""
        return [json.loads(question.content)["inputs"] for question in self.questions]

    def decode(self, content: bytes, content_type: str = JSON) -> NDArray[Any]:
        """What the model takes, of one request: (1, *shape of one).

        Raises:
            RequestError: it is refused.
        """
        limits = Limits(max_batch=1, max_pixels=10**7, single=True)
        reading = self.model.decoder.reading(content_type, content, limits)
        assert reading, f"{content_type} is not read"
        return reading.decode(content)

    def ask(self, contents: Iterable[bytes], content_type: str = JSON) -> NDArray[np.float32]:
        """The answers to requests, (requests, width of the target), in batches as a busy server makes them."""
        inputs = np.concatenate([self.decode(content, content_type) for content in contents])
        return np.concatenate(
            [self.model.infer(inputs[at : at + BATCH]).answers for at in range(0, len(inputs), BATCH)]
        )

    def ask_json(self, samples: Iterable[Any]) -> NDArray[np.float32]:
        """The answers to texts or rows."""
        return self.ask(json.dumps({"inputs": sample}).encode() for sample in samples)

    def alone(self, contents: Iterable[bytes], content_type: str = JSON) -> NDArray[np.float32]:
        """The answers to the same requests, each inferred by itself."""
        return np.concatenate([self.model.infer(self.decode(content, content_type)).answers for content in contents])

    def recalls(self, answers: NDArray[np.float32]) -> dict[str, float]:
        """Of each class that there are samples of: the share of them that was recognised."""
        right = answers.argmax(axis=1) == self.truths
        return {self.classes[label]: float(right[self.truths == label].mean()) for label in np.unique(self.truths)}


def champion_of(workspace: Path, scratch: Path) -> Subject:
    """The champion of a workspace, fetched and proven as a server does it, and samples of its test split."""
    with contextlib.chdir(workspace):
        params, settings = load_params(), Settings()
        follower = follower_of(open_registry(settings, params.name), settings, scratch, BATCH)
        follower.look()
        assert follower.model, follower.following.error
        return Subject(follower.model, questions(SAMPLES))


def share_unchanged(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Of answers, (samples, classes) each: the share whose class is still the same."""
    return float((before.argmax(axis=1) == after.argmax(axis=1)).mean())
