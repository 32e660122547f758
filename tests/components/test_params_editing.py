import difflib
from pathlib import Path

import pytest

from components.params import load_params, parse_params
from components.params.editing import with_values
from tests.places import REPOSITORY

FILES = ["params.yaml", *sorted(f"presets/{path.name}" for path in (REPOSITORY / "presets").iterdir())]


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize("path", FILES)
def test_nothing_else_changes_no_comment_and_no_order(path: str) -> None:
    text = (REPOSITORY / path).read_text()
    rate = parse_params(text).train.optimizer.learning_rate
    assert with_values(text, {}) == with_values(text, {"train.optimizer.learning_rate": rate}) == text
    after = with_values(text, {"train.optimizer.learning_rate": 0.0123})
    assert len(changed_lines(text, after)) == 2
    assert parse_params(after).train.optimizer.learning_rate == 0.0123


def test_a_section_is_written_in_one_line(tmp_path: Path) -> None:
    text = (REPOSITORY / "params.yaml").read_text()
    sgd = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0}
    (tmp_path / "params.yaml").write_text(with_values(text, {"train.optimizer": sgd, "train.optimizer.momentum": 0.8}))
    found = load_params(tmp_path / "params.yaml")
    assert found.train.optimizer.model_dump() == sgd | {"momentum": 0.8}
    assert "optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.8" in (tmp_path / "params.yaml").read_text()
