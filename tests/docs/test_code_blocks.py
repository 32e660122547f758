"""Every code block of the documentation is true: commands exist, parameters are valid, Python runs."""

import io
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import typer
from ruamel.yaml import YAML

from components.params import parse_params
from flows.cli import app
from tests.places import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCKS = [
    (page, kind, text)
    for page in PAGES
    for kind, text in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
]


def blocks(*kinds: str) -> list[object]:
    chosen = [(page, text) for page, kind, text in BLOCKS if kind in kinds]
    return [pytest.param(text, id=f"{page.name}-{number}") for number, (page, text) in enumerate(chosen)]


def commands(text: str) -> list[list[str]]:
    lines = [line.removeprefix("$ ").split("  #")[0].strip() for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line and not line.startswith("#")]


def test_the_readme_has_blocks_to_check() -> None:
    assert {"bash", "yaml"} <= {kind for page, kind, _ in BLOCKS if page.name == "README.md"}


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("text", blocks("bash", "console", "sh"))
def test_every_command_exists_with_its_options(text: str) -> None:
    for command in commands(text):
        program = Path(command[0]).name
        if program == "make":
            done = subprocess.run(
                ["make", "-n", *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        elif program == "tunesmith":
            parse(typer.main.get_command(app), command[1:])
        elif program == "bentoml":
            assert command[1] in ("serve", "build"), command  # run by tests/serving/test_bento.py
        elif program == "cp":
            assert (REPOSITORY / command[1]).exists(), command
        else:
            assert program in {"git", "cd", "curl", "docker", "dvc"}, f"no check knows {program}"


def parse(command: click.Command, words: list[str]) -> None:
    """Resolves a command line down to its options, without running it."""
    context = click.Context(command, info_name="tunesmith")
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    command.make_parser(click.Context(command)).parse_args(list(words))


def changed(path: Path, text: str) -> str:
    """A params file with the sections of a block in it."""
    yaml, buffer = YAML(typ="safe", pure=True), io.StringIO()
    document = yaml.load(path)
    for section, values in yaml.load(text).items():
        assert section in document, f"{path.name} has no section {section!r}"
        document[section] = {**document[section], **values} if isinstance(values, dict) else values
    yaml.dump(document, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_yaml_block_is_part_of_a_valid_params_file(text: str) -> None:
    parse_params(changed(REPOSITORY / "params.yaml", text))


def test_images_of_your_own_are_a_preset_with_the_lines_of_the_readme() -> None:
    (own,) = (text for page, kind, text in BLOCKS if page.name == "README.md" and kind == "yaml")
    params = parse_params(changed(REPOSITORY / "presets/digits.yaml", own))
    assert (params.name, params.fetch.dataset) == ("my-images", "none")


@pytest.mark.parametrize("text", blocks("python"))
def test_every_python_block_runs(text: str) -> None:
    exec(compile(text, "documentation", "exec"), {"__name__": "documentation"})  # noqa: S102 our own documentation


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
