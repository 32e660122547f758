import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from components.errors import LineageError
from components.package import ModelPackage
from components.settings import Settings
from flows.reproduction.interpreter import differences, interpreter_of
from flows.reproduction.origin import Origin
from tests.package_factory import make_package

HERE = {"python": platform.python_version(), "numpy": version("numpy")}


def origin(folder: Path, environment: dict[str, str]) -> Origin:
    make_package(folder, Settings(home=folder.parent))
    package = ModelPackage.read(folder)
    provenance = package.provenance.model_copy(update={"environment": environment})
    return Origin("digits", 3, "", "f" * 40, ModelPackage(folder, package.signature, package.golden, provenance))


def test_the_same_libraries_need_no_other_environment(tmp_path: Path) -> None:
    told: list[str] = []
    assert interpreter_of(origin(tmp_path / "package", HERE), tmp_path, told.append) == sys.executable
    assert told == ["This environment is that of the version; it is used."]


def test_what_differs_is_named() -> None:
    release = ".".join(platform.python_version_tuple()[:2])
    assert differences({"python": f"{release}.99", "numpy": "1.0", "no-such-library": "2"}) == {
        "numpy": ("1.0", version("numpy")),
        "no-such-library": ("2", "none"),
    }, "a patch of Python is no reason for another environment: it would have the same Python"
    assert differences({"python": "3.9.1"}) == {"python": ("3.9.1", platform.python_version())}


def test_a_python_that_is_not_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        LineageError, match=r"^Version 3 of 'digits' was made with Python 3\.9, which is not on the PATH"
    ):
        interpreter_of(origin(tmp_path / "package", {"python": "3.9.1"}), tmp_path, lambda _: None)


def test_an_environment_that_was_made_before_is_used(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/ready").touch()
    told: list[str] = []
    version_of_then = origin(tmp_path / "package", HERE | {"numpy": "1.0"})
    assert interpreter_of(version_of_then, tmp_path, told.append) == str(tmp_path / ".venv/bin/python")
    assert told == [
        f"The version had another environment (numpy 1.0, here {version('numpy')}); the one made for it before is used."
    ]
