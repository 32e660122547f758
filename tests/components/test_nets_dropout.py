import math

import pytest
import torch

from components.nets.dropout import LEVELS, Dropout

SHARES = [0.1, 0.2, 0.25, 0.5, 0.9, 1 / 3]
SIZE = 200_000


def dropped(share: float, shape: tuple[int, ...] = (SIZE,), dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(0)
    return Dropout(share).train()(torch.ones(shape, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", SHARES)
def test_moments_are_those_of_the_theory(share: float, dtype: torch.dtype) -> None:
    """Mean 1 and variance q / (1 − q), within five standard errors; bfloat16 rounds the scale to 8 bits."""
    values = dropped(share, dtype=dtype).double()
    variance = share / (1 - share)
    rounding = torch.finfo(dtype).eps
    assert values.mean().item() == pytest.approx(1, abs=5 * math.sqrt(variance / SIZE) + rounding)
    kept = (values > 0).double().mean().item()
    assert kept == pytest.approx(1 - share, abs=5 * math.sqrt(share * (1 - share) / SIZE))
    assert values.var().item() == pytest.approx(variance, rel=0.05 + 2 * rounding)


@pytest.mark.parametrize("share", SHARES)
def test_the_scale_is_that_of_the_rounded_probability(share: float) -> None:
    """So the expectation is x: kept levels / all levels × scale = 1."""
    scale = dropped(share).max().item()
    kept = LEVELS - round(share * LEVELS)
    assert scale == pytest.approx(LEVELS / kept, rel=1e-6)
    assert kept / LEVELS == pytest.approx(1 - share, abs=0.5 / LEVELS)


def test_elements_of_one_draw_are_independent() -> None:
    """Four elements share 64 bits: each of the 16 patterns is as frequent as it should be, and so are neighbours."""
    kept = (dropped(0.5) > 0).view(-1, 4).long()
    counts = torch.bincount(kept @ torch.tensor([1, 2, 4, 8]), minlength=16).double()
    expected = SIZE / 4 / 16
    assert ((counts - expected) ** 2 / expected).sum().item() < 37.7, "chi squared, 15 degrees of freedom, p = 0.001"


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 11), (0, 4)])
def test_any_shape_keeps_its_shape_and_dtype(shape: tuple[int, ...]) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        found = dropped(0.5, shape, dtype)
        assert (found.shape, found.dtype) == (torch.Size(shape), dtype)
        assert set(found.flatten().tolist()) <= {0.0, 2.0}


def test_masks_follow_from_torchs_seed() -> None:
    module, ones = Dropout(0.3).train(), torch.ones(1001)
    torch.manual_seed(7)
    first, second = module(ones), module(ones)
    torch.manual_seed(7)
    assert torch.equal(module(ones), first)
    assert not torch.equal(second, first)


def test_gradients_pass_where_elements_stay() -> None:
    inputs = torch.randn(999, requires_grad=True)
    outputs = Dropout(0.25).train()(inputs)
    outputs.sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, torch.where(outputs != 0, torch.tensor(LEVELS / (LEVELS * 3 // 4)), 0.0))


def test_evaluation_and_probability_zero_are_the_identity() -> None:
    inputs = torch.randn(17)
    assert torch.equal(Dropout(0.5).eval()(inputs), inputs)
    assert torch.equal(Dropout(0.0).train()(inputs), inputs)
