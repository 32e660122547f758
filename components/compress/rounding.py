"""Quantization-aware training: layers that round as the int8 graph will (Jacob et al. 2018, arXiv:1712.05877).

Weights are rounded to signed eight bits, symmetrically and for each output channel; what a layer is given, to unsigned
eight bits, by the range that it has seen. That is what :mod:`components.compress.int8` writes. Behind the rounding the
gradient is that of no rounding (the straight-through estimator, Bengio et al. 2013, arXiv:1308.3432).
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

MOMENTUM = 0.01
"""Share that each batch has in the range."""


def rounded_weight(weight: Tensor) -> Tensor:
    """A weight (outputs, …) rounded to -127 … 127 steps, whose size follows from the largest of each output."""
    largest = weight.detach().abs().flatten(1).amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
    zeros = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight.float(), largest.float() / 127, zeros, 0, -127, 127)


class RoundedActivation(nn.Module):
    """Rounds to 255 steps of a range, which moves with what training gives; zero is always a step."""

    low: Tensor
    high: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("low", "high"):
            self.register_buffer(name, torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def forward(self, values: Tensor) -> Tensor:
        """(batch, …) -> the same, rounded once a range is known."""
        if self.training:
            self._see(values.detach())
        if not self.seen:
            return values
        step = (self.high - self.low).clamp(min=1e-8) / 255
        zero = (-self.low / step).round().clamp(0, 255).to(torch.int32)
        rounded: Tensor = torch.fake_quantize_per_tensor_affine(values.float(), step, zero, 0, 255)
        return rounded

    def _see(self, values: Tensor) -> None:
        low, high = (end.float() for end in values.aminmax())
        share = MOMENTUM if self.seen else 1.0
        self.low.lerp_(low.clamp(max=0), share)
        self.high.lerp_(high.clamp(min=0), share)
        self.seen.fill_(True)


class RoundedLinear(nn.Linear):
    """A dense layer that rounds its input and its weight."""

    activation: RoundedActivation

    def forward(self, inputs: Tensor) -> Tensor:
        """As of the layer."""
        return functional.linear(self.activation(inputs), rounded_weight(self.weight), self.bias)


class RoundedConv2d(nn.Conv2d):
    """A convolution that rounds its input and its weight."""

    activation: RoundedActivation

    def forward(self, inputs: Tensor) -> Tensor:
        """As of the layer."""
        maps: Tensor = self._conv_forward(self.activation(inputs), rounded_weight(self.weight), self.bias)
        return maps


ROUNDED: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: RoundedLinear, nn.Conv2d: RoundedConv2d}


def start_rounding(network: nn.Module) -> None:
    """Makes every dense layer and convolution one that rounds; their weights stay the same."""
    for layer in list(network.modules()):
        if rounded := ROUNDED.get(type(layer)):
            layer.__class__ = rounded
            cast(RoundedLinear, layer).activation = RoundedActivation().train(layer.training)


def stop_rounding(network: nn.Module) -> None:
    """Undoes :func:`start_rounding`: plain layers, with weights that have learned to be rounded."""
    plain = {rounded: layer for layer, rounded in ROUNDED.items()}
    for layer in list(network.modules()):
        if original := plain.get(type(layer)):
            del layer.activation
            layer.__class__ = original
