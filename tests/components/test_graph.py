"""The code that dvc.yaml lists for a stage is the code that the stage imports: no more, and above all no less."""

import ast
import re
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

from tests.places import REPOSITORY

PLUMBING = {
    "components.errors",
    "components.files",
    "components.lineage",
    "components.params",
    "components.progress",
    "components.registry",
    "components.settings",
    "components.stage",
}
"""How a stage is started, told of, and kept whole; none of it can change what a stage computes from its inputs.

(The values of params.yaml are dependencies of their own.) A reworded message must not train a network again.
"""
STAGES = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")["stages"]


@pytest.fixture(scope="session")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("components", exclude_type_checking_imports=True, cache_dir=None)


def entry(stage: str) -> str:
    """The module that a stage's command runs."""
    (module,) = re.findall(r"^exec python -m ([\w.]+)$", STAGES[stage]["cmd"])
    return f"{module}.__main__" if (REPOSITORY / module.replace(".", "/")).is_dir() else module


def closure(graph: grimp.ImportGraph, module: str) -> set[str]:
    """Every module that runs when this one is run, itself and the packages around each among them, but no plumbing."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        if any(name == plumbing or name.startswith(f"{plumbing}.") for plumbing in PLUMBING):
            continue
        found.add(name)
        around = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
        waiting |= (graph.find_modules_directly_imported_by(name) | around) - found
    return found


def code_of(modules: set[str]) -> set[str]:
    """The files of modules; a package that holds nothing but a docstring has no code."""
    files = set()
    for name in modules:
        path = REPOSITORY / name.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.name != "__init__.py" or not only_docstring(file):
            files.add(file.relative_to(REPOSITORY).as_posix())
    return files


def only_docstring(file: Path) -> bool:
    body = ast.parse(file.read_text()).body
    return len(body) <= 1 and all(isinstance(statement, ast.Expr) for statement in body)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_it_imports(stage: str, imports: grimp.ImportGraph) -> None:
    listed = {path for path in STAGES[stage]["deps"] if path.startswith("components/")}
    needed = code_of(closure(imports, entry(stage)))
    missing = {file for file in needed if not any(file == path or file.startswith(f"{path}/") for path in listed)}
    idle = {path for path in listed if not any(file == path or file.startswith(f"{path}/") for file in needed)}
    assert not missing, f"{stage} imports these, and dvc.yaml does not list them: {sorted(missing)}"
    assert not idle, f"dvc.yaml lists these, and {stage} does not import them: {sorted(idle)}"


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_listed_exists(stage: str) -> None:
    for path in STAGES[stage]["deps"]:
        assert not path.startswith("components/") or (REPOSITORY / path).exists(), path


def test_the_closure_follows_imports(imports: grimp.ImportGraph) -> None:
    assert "components.compress.low_rank" in closure(imports, entry("compress"))
    assert "components.contracts" in closure(imports, "components.nets.preprocess"), "what an import imports"


@pytest.mark.parametrize("stage", ["prepare", "train", "compress"])
def test_a_stage_that_reads_a_checkpoint_sees_every_change_of_it(stage: str) -> None:
    assert "data/fetched" in STAGES[stage]["deps"]
    assert "data/fetched" in STAGES["fetch"]["outs"]
    assert "data/checkpoints" in STAGES["fetch"]["deps"]
    assert (REPOSITORY / "data" / "checkpoints" / "README.md").is_file(), "DVC asks for the folder, empty or not"
