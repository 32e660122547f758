"""What follows a linear map or a convolution, and the gain that keeps a signal's size through both.

The gain of a layer is the factor of its weights' deviation over that of a layer with nothing behind it. For relu,
leaky_relu, tanh and sigmoid it is that of ``torch.nn.init.calculate_gain``. Torch has none for gelu and silu: theirs is
1 / √E[f(z)²] of z ~ N(0, 1), the condition from which He et al. 2015 (arXiv:1502.01852, section 2.2) derive the √2 of
relu, as Hendrycks & Gimpel 2016 (arXiv:1607.02488) state it for any activation.
"""

from collections.abc import Callable
from typing import Literal

from torch import nn

Follower = Literal["linear", "relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"]
"""An activation, or ``linear``: nothing."""

ACTIVATIONS: dict[Follower, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
MONOTONE: tuple[Follower, ...] = ("relu", "leaky_relu", "tanh", "sigmoid")
"""Those that the maximum of several values may be taken before as well as after."""
GAINS: dict[Follower, float] = {
    "linear": nn.init.calculate_gain("linear"),
    "relu": nn.init.calculate_gain("relu"),
    "leaky_relu": nn.init.calculate_gain("leaky_relu", nn.LeakyReLU().negative_slope),
    "gelu": 1.5335,
    "silu": 1.6765,
    "tanh": nn.init.calculate_gain("tanh"),
    "sigmoid": nn.init.calculate_gain("sigmoid"),
}


def activation(name: Follower) -> nn.Module:
    """The module of an activation."""
    return ACTIVATIONS[name]()
