"""A network: a body that gives features, and a linear head on them."""

from typing import Self

from torch import Tensor, nn


class Body(nn.Module):
    """Turns what :class:`components.nets.Preprocess` gives into features.

    Attributes:
        features: width of the features.
        backbone: the part whose weights are pretrained, None where there is none.
    """

    features: int
    backbone: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        self.backbone = None


class Network(nn.Module):
    """A body and a head.

    Attributes:
        body: normalised inputs (batch, …) -> (batch, features) float.
        head: (batch, features) -> (batch, outputs).
        features: width of the features.
        frozen: whether the backbone stays as it is; see :meth:`freeze`.
    """

    def __init__(self, body: Body, head: nn.Linear) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.features = body.features
        self.frozen = False

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, outputs): scores of the classes (logits), or the standardised value."""
        outputs: Tensor = self.head(self.body(inputs))
        return outputs

    @property
    def backbone(self) -> nn.Module | None:
        """The pretrained part of the body; None: everything is trained from scratch."""
        return self.body.backbone

    def freeze(self, frozen: bool) -> None:
        """Keeps the backbone as it is, or lets it be trained.

        A frozen backbone asks for no gradient, and stays in evaluation mode whatever mode the network is in: its
        normalisation neither uses nor moves with the statistics of a batch, and its dropout is off.

        Raises:
            ValueError: the network has no backbone.
        """
        if self.backbone is None:
            raise ValueError("a network without a backbone has nothing to freeze")
        self.frozen = frozen
        self.backbone.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode, save for a frozen backbone."""
        super().train(mode)
        if self.backbone is not None and self.frozen:
            self.backbone.eval()
        return self


def count_parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
