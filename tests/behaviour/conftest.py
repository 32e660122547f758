"""Whose behaviour is tested."""

from pathlib import Path

import pytest

from tests.behaviour.subject import Subject, champion_of
from tests.line.kinds import KINDS
from tests.line.promoted import Promoted, promoted


@pytest.fixture(scope="module")
def line_of_kind(request: pytest.FixtureRequest, shared_folder: Path, prefect_api: str) -> Promoted:
    """The line of the module's kind, as the tests of the line have run it or will find it."""
    return promoted(KINDS[request.module.KIND], shared_folder, prefect_api)


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A champion of the module's kind of inputs (``KIND``)."""
    kind = request.module.KIND
    workspace = request.config.getoption("--workspace") or request.getfixturevalue("line_of_kind").root
    found = champion_of(workspace, tmp_path_factory.mktemp("champion"))
    takes = found.model.signature.inputs.kind
    if takes != kind:
        pytest.skip(f"The champion of {workspace} takes {takes}.")
    return found
