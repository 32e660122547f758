"""The baseline that params.yaml names."""

from components.contracts import Inputs as ModelInputs
from components.contracts import LabelledArrays, RowInputs
from components.evaluate.baselines.constants import majority, mean
from components.evaluate.baselines.images import fit_on_pixels
from components.evaluate.baselines.result import Baseline
from components.evaluate.baselines.rows import fit_on_columns
from components.evaluate.baselines.texts import fit_tfidf
from components.params.sections import ImageEvaluateParams, RowEvaluateParams, TextEvaluateParams

Section = ImageEvaluateParams | TextEvaluateParams | RowEvaluateParams


def fit_baseline(section: Section, inputs: ModelInputs, train: LabelledArrays, test: LabelledArrays) -> Baseline:
    """Fits the named baseline on the training split and asks it about the test split.

    Args:
        section: ``evaluate``.
        inputs: what the samples are.
        train: of classes, at least two.
        test: at least one sample.
    """
    match section.baseline, inputs:
        case "majority", _:
            return majority(train, test)
        case "mean", _:
            return mean(train, test)
        case ("nearest_centroid" | "logistic_regression") as name, _:
            return fit_on_pixels(name, train, test)
        case "tfidf_logistic_regression", _:
            return fit_tfidf(train, test)
        case ("linear_regression" | "gradient_boosting") as name, RowInputs() as rows:
            return fit_on_columns(name, rows, train, test)
    raise TypeError(f"{section.baseline} does not fit {inputs.kind}")
