"""The catalogue is true: its lines are valid, its tests exist, and no choice of the schema is missing from it."""

import ast
import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
import typer
from ruamel.yaml import YAML

from components.errors import ParamsError
from components.params import Section, parse_params
from components.params.sections import TASKS
from flows.cli import app
from tests.places import REPOSITORY

PAGE = REPOSITORY / "docs" / "catalogue.md"
FILES = [REPOSITORY / "params.yaml", *sorted((REPOSITORY / "presets").glob("*.yaml"))]
WITHOUT_LINE, WITHOUT_TEST, COMMAND = "always", "none yet", "tunesmith "
COLUMNS = 5
OPEN, ANY_KEY = {("sweep", "space"), ("compress", "variants")}, "*"
"""Where a file has keys of its own choice, and what stands for each of them."""

Place = tuple[str, ...]


class Technique(NamedTuple):
    """A row of the page: its name, where its lines stand, the lines, and the last cell."""

    name: str
    place: Place
    lines: tuple[str, ...]
    proof: str


def techniques() -> Iterator[Technique]:
    place: Place = ()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|") or line.startswith("|---"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        assert len(cells) == COLUMNS, line
        if cells[0] == "technique":
            found = re.fullmatch(r"line in `(.+)`", cells[1])
            assert found or cells[1] == "line at the top level", line
            place = tuple(found[1].replace(":", "").split()) if found else ()
            continue
        lines = tuple(re.findall(r"`([^`]+)`", cells[1]))
        assert lines or cells[1] == WITHOUT_LINE, line
        yield Technique(cells[0], place, lines, cells[4])


ROWS = list(techniques())
NAMES = [f"{row.name} {number}" for number, row in enumerate(ROWS)]


def yaml_of(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def chosen(row: Technique) -> dict[str, Any]:
    """The keys and values that the lines of a row set at their place."""
    return {key: value for line in row.lines for key, value in yaml_of(line).items()}


@cache
def shipped() -> list[dict[str, Any]]:
    return [yaml_of(path.read_text(encoding="utf-8")) for path in FILES]


@cache
def names_of_tests(path: str) -> set[str]:
    module = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_technique_names_a_test_that_exists(row: Technique) -> None:
    if row.proof == WITHOUT_TEST:
        return
    found = re.fullmatch(r"`(tests/\S+\.py)::(test_\w+)`", row.proof)
    assert found, f"{row.name}: {row.proof}"
    assert found[2] in names_of_tests(found[1])


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_line_is_valid_in_a_file_that_is_shipped(row: Technique) -> None:
    if row.lines and row.lines[0].startswith(COMMAND):
        commands = getattr(typer.main.get_command(app), "commands", {})
        assert row.lines[0].removeprefix(COMMAND) in commands
        return
    refusals = []
    for document in shipped():
        refused = refusal(document, row)
        if refused is None:
            return
        refusals.append(refused)
    pytest.fail("\n".join(refusals))


def refusal(document: dict[str, Any], row: Technique) -> str | None:
    """Why a params file with the lines of a row is not valid; None if it is."""
    changed = copy.deepcopy(document)
    section = changed
    for key in row.place:
        section = section[key]
    section.update(chosen(row))
    try:
        parse_params(json.dumps(changed))
    except ParamsError as error:
        return str(error)
    return None


def test_every_choice_of_the_schema_stands_in_the_page() -> None:
    page = {leaf for row in ROWS if not (row.lines and row.lines[0].startswith(COMMAND)) for leaf in leaves(row)}
    assert sorted(choices() - page) == []


def leaves(row: Technique) -> Iterator[tuple[Place, str]]:
    """The words that the lines of a row choose, each with its place in the file."""

    def walk(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk(inner, (*place, ANY_KEY if place in OPEN else key))
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner, place)
        elif isinstance(value, str):
            yield place, value

    yield from walk(chosen(row), row.place)


def choices() -> set[tuple[Place, str]]:
    """Every word that a params file may choose among, with its place."""
    found = {choice for task in TASKS for choice in choices_below(task, ())}
    return {choice for choice in found if "then" not in choice[0]}  # what a condition holds is chosen without it, too


def choices_below(section: type[Section], place: Place) -> Iterator[tuple[Place, str]]:
    for name, field in section.model_fields.items():
        yield from choices_of(field.annotation, (*place, field.alias or name))


def choices_of(annotation: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield from choices_below(annotation, place)
    elif get_origin(annotation) is dict:
        yield from choices_of(get_args(annotation)[1], (*place, ANY_KEY))
    elif get_origin(annotation) is Literal:
        yield from ((place, word) for word in get_args(annotation) if isinstance(word, str))
    else:
        for part in get_args(annotation):
            yield from choices_of(part, place)


def test_the_schema_is_walked_to_its_ends() -> None:
    found = choices()
    assert {
        (("train", "network", "activation"), "gelu"),
        (("train", "loss", "class_weights"), "balanced"),
        (("train", "batch_size"), "auto"),
        (("train", "warmup", "shape"), "cosine"),
        (("augment", "mix", "name"), "cutmix"),
        (("evaluate", "baseline"), "gradient_boosting"),
    } <= found
