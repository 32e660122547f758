"""What the numbers of an array stand for: whether one version can be given what was made for another."""

from components.contracts import TOKENIZER, CategoricalColumn, ImageInputs, Inputs, RowInputs, TextInputs
from components.files import file_sha256
from components.package.model import ModelPackage


def reading_of(package: ModelPackage) -> tuple[object, ...]:
    """Equal for two packages where the array that one makes of a request is the array that the other makes of it.

    The fitted means are no part of it: they differ with every retraining, and are inside the graph.
    """
    tokenizer = package.folder / TOKENIZER
    target = package.signature.target.kind
    return target, meaning(package.inputs), file_sha256(tokenizer) if tokenizer.exists() else None


def meaning(inputs: Inputs) -> object:
    """What each number of an array is."""
    match inputs:
        case ImageInputs():
            return inputs.shape
        case TextInputs():
            return inputs.shape, inputs.vocabulary, inputs.padding
        case RowInputs(columns=columns):
            return tuple(
                (column.name, column.categories if isinstance(column, CategoricalColumn) else None)
                for column in columns
            )
