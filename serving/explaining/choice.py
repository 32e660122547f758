"""Which explainer goes with a decoder."""

from serving.decoding import Decoder
from serving.decoding.images import ImageDecoder
from serving.decoding.rows import RowDecoder
from serving.decoding.texts import TextDecoder
from serving.explaining.explainer import Explainer
from serving.explaining.images import Occlusion
from serving.explaining.rows import ColumnReplacement
from serving.explaining.texts import TokenErasure


def build_explainer(decoder: Decoder) -> Explainer:
    """The explainer of what a decoder reads."""
    match decoder:
        case ImageDecoder():
            return Occlusion(decoder.inputs)
        case TextDecoder():
            return TokenErasure(decoder.tokenizer)
        case RowDecoder():
            return ColumnReplacement(decoder.inputs)
    raise TypeError(f"{type(decoder).__name__} has no explainer")
