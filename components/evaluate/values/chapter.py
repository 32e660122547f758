"""What the report tells of a regression."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import RegressionMetrics, ValueTarget
from components.evaluate.chapter import Chapter
from components.evaluate.findings import Inputs, ValueDetail
from components.evaluate.values import figures
from components.evaluate.wording import count, quantity

QUANTILES = (0, 0.05, 0.5, 0.95, 1)


@dataclass(frozen=True)
class Distribution:
    """The true values of one split: how many, their quantiles at :data:`QUANTILES`, their mean."""

    samples: int
    quantiles: tuple[float, ...]
    mean: float


def values_chapter(inputs: Inputs, target: ValueTarget, chosen: RegressionMetrics, detail: ValueDetail) -> Chapter:
    """Its measures, answers and errors.

    Args:
        inputs: what the stages before have left.
        target: the value.
        chosen: the measures of the chosen variant.
        detail: what was found beside them.
    """
    labels = inputs.test.labels
    return Chapter(
        folder="values",
        headline=f"R² {chosen.r2:.4f} on {count(chosen.samples)} test {inputs.fitted.inputs.kind}",
        lead=f"RMSE {quantity(chosen.rmse)} and MAE {quantity(chosen.mae)}, in the unit of {target.name}.",
        tiles=(
            (f"{chosen.r2:.4f}", "R²"),
            (quantity(chosen.rmse), "RMSE"),
            (quantity(chosen.mae), "MAE"),
        ),
        anchors=(("errors", "Answers and errors"), ("mistakes", "Largest errors")),
        interval_method="bootstrap",
        parity_unit=f" deviations of {target.name}",
        details={
            "plots": {
                "agreement": figures.agreement_plot(target.name, detail.values, labels),
                "error": figures.error_plot(target.name, detail.values, labels),
            },
            "distribution": {name: distribution(split.labels) for name, split in inputs.splits.items()},
        },
    )


def distribution(labels: NDArray[Any]) -> Distribution:
    """How the true values (samples,) of a split are spread."""
    quantiles = np.quantile(labels, QUANTILES).tolist()
    return Distribution(len(labels), tuple(quantiles), float(labels.mean(dtype=np.float64)))
