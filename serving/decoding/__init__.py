"""From the bytes of a request to the array that the model takes; all is checked before it meets other requests."""

from serving.decoding.choice import build_decoder
from serving.decoding.decoder import Decoder, Limits, Reading

__all__ = ["Decoder", "Limits", "Reading", "build_decoder"]
