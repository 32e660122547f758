from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from components.errors import DataError
from components.train.checkpoints import SafetensorsIO


def test_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "state_dict": network.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "loops": {"epoch": 3, "nested": [None, True, 1.5, "text", ()]},
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    SafetensorsIO().save_checkpoint(checkpoint, tmp_path / "c.safetensors")
    loaded = SafetensorsIO().load_checkpoint(tmp_path / "c.safetensors")
    assert loaded["loops"] == checkpoint["loops"]
    assert loaded["half"].dtype == torch.bfloat16
    assert loaded["optimizer_states"][0]["param_groups"] == checkpoint["optimizer_states"][0]["param_groups"]
    assert torch.equal(
        loaded["optimizer_states"][0]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"]
    )


def test_checkpoint_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="PosixPath"):
        SafetensorsIO().save_checkpoint({"path": tmp_path}, tmp_path / "c.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"x" * 5000])
def test_damaged_checkpoint_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        SafetensorsIO().load_checkpoint(tmp_path / "c.safetensors")


def test_foreign_safetensors_is_a_sentence(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "c.safetensors")
    with pytest.raises(DataError, match="is damaged"):
        SafetensorsIO().load_checkpoint(tmp_path / "c.safetensors")
