"""Whose behaviour is tested."""

from pathlib import Path

import pytest

from tests.behaviour.subject import Subject, champion_of
from tests.line.kinds import KINDS
from tests.line.promoted import promoted


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest, shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A champion of the module's kind of inputs (``KIND``)."""
    kind = request.module.KIND
    workspace = request.config.getoption("--workspace") or promoted(KINDS[kind], shared_folder).root
    found = champion_of(workspace, tmp_path_factory.mktemp("champion"))
    takes = found.model.signature.inputs.kind
    if takes != kind:
        pytest.skip(f"The champion of {workspace} takes {takes}.")
    return found
