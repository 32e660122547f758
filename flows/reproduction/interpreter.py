"""The environment of the version: this one where it is the same, one of its own where it is not."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from components.errors import LineageError
from flows.reproduction.commands import output_of, succeeds
from flows.reproduction.origin import Origin

PYTHON = "python"
OWN = Path(".venv")
READY = OWN / "ready"
"""Written when everything is installed, as ``make setup`` does."""


def interpreter_of(origin: Origin, root: Path, tell: Callable[[str], None]) -> str:
    """The interpreter that runs the version's line: this one, or one made from the pins of its commit.

    Args:
        origin: the version.
        root: of the clone.
        tell: hears which one, and why.

    Raises:
        LineageError: its Python is not on this machine, or its packages cannot be had.
    """
    unlike = differences(origin.provenance.environment)
    if not unlike:
        tell("This environment is that of the version; it is used.")
        return sys.executable
    told = ", ".join(f"{name} {then}, here {now}" for name, (then, now) in unlike.items())
    own = root / OWN / "bin" / "python"
    if (root / READY).exists():
        tell(f"The version had another environment ({told}); the one made for it before is used.")
        return str(own)
    tell(
        f"The version had another environment ({told}); it is made from its commit's constraints.txt, in {root / OWN}."
    )
    _make(origin, root, own)
    return str(own)


def differences(recorded: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The version of then and of here of each library that differs, and of Python where it is another release."""
    here = {name: platform.python_version() if name == PYTHON else _version(name) for name in recorded}
    return {name: (then, here[name]) for name, then in recorded.items() if _differs(name, then, here[name])}


def _differs(name: str, then: str, now: str) -> bool:
    """Whether two versions differ in more than a patch of Python, which no other environment would change."""
    return _minor(then) != _minor(now) if name == PYTHON else then != now


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


def _make(origin: Origin, root: Path, own: Path) -> None:
    """Does what ``make setup`` of the commit does, for the libraries of the line."""
    what = f"{origin.title}: making its environment"
    if not own.exists():
        output_of(_python(origin), "-m", "venv", OWN, folder=root, what=what)
    pip = (own, "-m", "pip", "--disable-pip-version-check")
    output_of(*pip, "-q", "install", "uv", folder=root, what=what)
    packages = ("-c", "constraints.txt", "-e", ".[line]")
    places = [f"UV_FIND_LINKS={_find_links(own, root)}", f"VIRTUAL_ENV={own.parent.parent}"]
    output_of("env", *places, own.with_name("uv"), "pip", "install", "--quiet", *packages, folder=root, what=what)
    (root / READY).touch()


def _python(origin: Origin) -> str:
    """A Python of the version's release."""
    wanted = _minor(origin.provenance.environment.get(PYTHON, platform.python_version()))
    if wanted == _minor(platform.python_version()):
        return sys.executable
    found = shutil.which(f"python{wanted}")
    if found is None:
        raise LineageError(f"{origin.title} was made with Python {wanted}, which is not on the PATH. Install it.")
    return found


def _find_links(own: Path, root: Path) -> str:
    """A folder of packages that pip knows; uv reads none of pip's configuration."""
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        if os.environ.get(name):
            return os.environ[name]
    asked = (own, "-m", "pip", "config", "get", "global.find-links")
    return output_of(*asked, folder=root, what="Reading pip's configuration") if succeeds(*asked, folder=root) else ""
