"""Which decoder a package needs."""

from components.contracts import TOKENIZER, ImageInputs, RowInputs, TextInputs
from components.errors import DataError, PackageError
from components.package import ModelPackage
from components.tasks.texts.tokens import Tokenizer
from serving.decoding.decoder import Decoder
from serving.decoding.images import ImageDecoder
from serving.decoding.rows import RowDecoder
from serving.decoding.texts import TextDecoder


def build_decoder(package: ModelPackage) -> Decoder:
    """The decoder of a package's inputs; holds all that it needs of the folder.

    Raises:
        PackageError: the tokenizer is missing, damaged, or not the one that the signature speaks of.
    """
    match package.inputs:
        case ImageInputs() as images:
            return ImageDecoder(images)
        case TextInputs() as texts:
            return TextDecoder(_tokenizer(package, texts))
        case RowInputs() as rows:
            return RowDecoder(rows)


def _tokenizer(package: ModelPackage, inputs: TextInputs) -> Tokenizer:
    try:
        return Tokenizer.load(package.folder / TOKENIZER, inputs)
    except DataError as error:
        raise PackageError(str(error)) from None
