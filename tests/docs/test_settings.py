"""The page of the settings says of each what the code says."""

from collections.abc import Iterator

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from components.settings import Settings
from flows.stack.site import StackSettings
from tests.places import REPOSITORY

PAGE = REPOSITORY / "docs" / "settings.md"


def rows(settings: type[BaseSettings]) -> Iterator[str]:
    """The table of the page, made anew: what to write there where this test fails."""
    for name, field in settings.model_fields.items():
        assert field.description, name
        default = "" if field.default is None else f"`{shown(field.default)}`"
        yield f"| `{settings.model_config['env_prefix']}{name.upper()}` | {default} | {field.description} |"


def shown(default: object) -> str:
    assert not isinstance(default, SecretStr)
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_setting_stands_in_the_page_as_in_the_code() -> None:
    written = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert written == [*rows(Settings), *rows(StackSettings)]
