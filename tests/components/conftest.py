import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws depends on no test before it: which those are is decided anew in every run."""
    torch.manual_seed(0)
