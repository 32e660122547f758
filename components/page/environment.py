"""The templates of a report: its own, and the style sheet and macros of every report."""

from dataclasses import asdict

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from components.page.numbers import percent
from components.page.palette import DARK, LIGHT

PALETTES = {"light": asdict(LIGHT), "dark": asdict(DARK)}
"""The colours by their roles, for the style sheet."""


def page_environment(package: str) -> Environment:
    """Templates that take every name from the data as hostile.

    Args:
        package: whose folder holds the templates of the report.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ""), PackageLoader("components.page", "")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["palettes"] = PALETTES
    environment.filters["percent"] = percent
    return environment
