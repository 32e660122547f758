"""What an answer was given for: of functions of which it is known."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from components.contracts import (
    CategoricalColumn,
    ClassTarget,
    ImageInputs,
    NumericColumn,
    RowInputs,
    Target,
    ValueTarget,
)
from serving.explaining import Explainer, explain
from serving.explaining.images import Occlusion
from serving.explaining.rows import ColumnReplacement, usual_values
from serving.explaining.texts import TokenErasure
from tests.text_package import SENTENCES, tokenizer

Answering = Callable[[NDArray[Any]], NDArray[np.float32]]
CLASSES = ClassTarget(labels=("a", "b"), counts=(1, 1))
VALUE = ValueTarget(name="price", mean=0, std=1, low=0, high=1)


def explained(
    explainer: Explainer, sample: NDArray[Any], answering: Answering, target: Target, most: int = 7
) -> dict[str, Any]:
    sizes: list[int] = []

    async def infer(samples: NDArray[Any]) -> NDArray[np.float32]:
        sizes.append(len(samples))
        return answering(samples)

    found = asyncio.run(explain(explainer, sample, answering(sample[None])[0], target, infer, most))
    assert max(sizes, default=0) <= most
    return found


@pytest.mark.parametrize(("height", "width", "channels"), [(28, 28, 1), (8, 20, 3), (61, 45, 3)])
def test_the_region_that_an_answer_was_given_for_is_found(height: int, width: int, channels: int) -> None:
    explainer = Occlusion(ImageInputs(height=height, width=width, channels=channels, mean=(0.5,), std=(0.2,)))
    sample = np.zeros((height, width, channels), np.uint8)
    spot = slice(height // 2, height // 2 + 3), slice(width // 2, width // 2 + 3)
    sample[spot] = 255

    def answering(samples: NDArray[Any]) -> NDArray[np.float32]:
        share = samples[:, spot[0], spot[1]].mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - share, share], axis=1).astype(np.float32)

    found = np.array(explained(explainer, sample, answering, CLASSES)["map"])
    assert found.shape == (min(14, height), min(14, width))
    down, across = np.unravel_index(found.argmax(), found.shape)
    assert abs((down + 0.5) / found.shape[0] - 0.5) < 0.2
    assert abs((across + 0.5) / found.shape[1] - 0.5) < 0.2
    assert found.max() > 0.2
    assert found[0, 0] == found[-1, -1] == 0, "nothing is there to hide"


def test_the_token_that_an_answer_was_given_for_is_found() -> None:
    model = tokenizer()
    text = SENTENCES["praise"][0]
    (sample,) = model.encode([text])
    wanted = sample[3]
    assert (sample == wanted).sum() == 1

    def answering(samples: NDArray[Any]) -> NDArray[np.float32]:
        there = (samples == wanted).any(axis=1)
        return np.stack([~there, there], axis=1).astype(np.float32)

    explainer = TokenErasure(model)
    tokens = explained(explainer, sample, answering, CLASSES)["tokens"]
    assert [token["effect"] for token in tokens] == [float(place == 3) for place in range(len(tokens))]
    assert text.lower().startswith("".join(token["text"] for token in tokens).strip().lower())
    hidden = np.stack(list(explainer.hidden(sample)))
    assert hidden.shape == (len(tokens), len(sample))
    assert (hidden[0][:-1] == sample[1:]).all()


def test_a_text_of_one_token_has_no_part_to_take_away() -> None:
    model = tokenizer()
    sample = np.full(model.inputs.length, model.inputs.padding, np.int32)
    sample[0] = model.encode(["a"])[0][0]
    found = explained(TokenErasure(model), sample, lambda samples: np.ones((len(samples), 2), np.float32), CLASSES)
    assert [token["effect"] for token in found["tokens"]] == [0.0]


def test_the_column_that_a_value_was_given_for_is_found() -> None:
    numeric = NumericColumn(name="carat", mean=1, std=1, median=2.0, low=0, high=5)
    idle = numeric.model_copy(update={"name": "depth"})
    color = CategoricalColumn(name="color", categories=("D", "E", "F"))
    explainer = ColumnReplacement(RowInputs(columns=(numeric, idle, color), scaling="standard", missing="refuse"))

    def answering(samples: NDArray[Any]) -> NDArray[np.float32]:
        return (100 * samples[:, 0] + 10 * samples[:, 2])[:, None].astype(np.float32)

    found = explained(explainer, np.array([3.0, 4.0, 2.0], np.float32), answering, VALUE)
    effects = {column["name"]: column["effect"] for column in found["columns"]}
    assert effects == {"carat": 100.0, "depth": 0.0, "color": 10.0}, "less the median; less the mean over categories"
    assert "median" in found["method"]


def test_many_categories_are_stood_for_by_some() -> None:
    column = CategoricalColumn(name="city", categories=tuple(map(str, range(1000))))
    values = usual_values(column)
    assert len(values) == 32
    assert (values[0], values[-1]) == (0, 999)
