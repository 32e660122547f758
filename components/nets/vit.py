"""Vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929): the tokens are the patches of an image."""

from torch import Tensor, nn

from components.contracts import ImageInputs
from components.nets.attention import Encoder
from components.nets.initialisation import Initialiser, positions
from components.nets.network import Body
from components.params.sections import VitParams


class Vit(Body):
    """A linear map of each patch, learned positions, the encoder, and the mean over the patches.

    The mean in place of a class token: Beyer et al. 2022, arXiv:2205.01580.
    """

    def __init__(self, params: VitParams, inputs: ImageInputs, start: Initialiser) -> None:
        super().__init__()
        self.patches = start(nn.Conv2d(inputs.channels, params.width, params.patch, stride=params.patch))
        tokens = (inputs.height // params.patch) * (inputs.width // params.patch)
        self.positions = positions(tokens, params.width)
        self.encoder = Encoder(params, start)
        self.features = params.width

    def forward(self, images_bchw: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, features)."""
        tokens_btw = self.patches(images_bchw).flatten(2).transpose(1, 2) + self.positions
        features: Tensor = self.encoder(tokens_btw)
        return features
