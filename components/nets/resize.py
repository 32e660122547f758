"""Images brought to another size, inside the exported graph."""

from torch import Tensor
from torch.nn import functional


def resize(images_bchw: Tensor, side: int | None) -> Tensor:
    """(batch, channels, height, width) -> (batch, channels, side, side), bilinear; None: as they are."""
    if side is None:
        return images_bchw
    return functional.interpolate(images_bchw, size=(side, side), mode="bilinear")
