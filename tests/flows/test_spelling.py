"""A misspelt variable is told, and none of the project's own."""

import re

from flows.commands.spelling import misspelt
from tests.places import REPOSITORY


def test_what_looks_like_a_setting_and_is_none_is_told() -> None:
    assert list(misspelt(["PATH", "TUNESMITH_HOME", "TUNESMITH_PROT", "TUNESMITH_XYZZY"])) == [
        "TUNESMITH_PROT is no setting, and nothing reads it. Did you mean TUNESMITH_PORT?",
        "TUNESMITH_XYZZY is no setting, and nothing reads it. docs/settings.md has them all.",
    ]


def test_every_variable_that_the_project_speaks_of_is_known() -> None:
    spoken = {
        name
        for folder in ("components", "flows", "serving", "infra")
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".Dockerfile")
        for name in re.findall(r"TUNESMITH_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert "TUNESMITH_TORCH_INDEX" in spoken
    assert list(misspelt(spoken)) == []
