"""The report as pages: an overview of our own, and Great Expectations' Data Docs of each table.

Great Expectations' own pages load scripts and styles from outside addresses (without them its index is empty), and put
text from the data into HTML as it is. Here they keep their content and get another frame: no script, nothing from
outside, which a content security policy enforces; and text from the data is escaped first.
"""

import copy
import html
from pathlib import Path
from typing import Any

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, Environment, PackageLoader

from components.files import write_text
from components.validate.checking import Checked

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
TEMPLATES = PackageLoader("components.validate")


def write_docs(checked: Checked, about: str, folder: Path) -> None:
    """Writes ``index.html`` and a page for each table.

    Args:
        checked: what was found.
        about: a sentence on what was checked.
        folder: of the pages.
    """
    checks = sorted(checked.checks, key=lambda check: check.holds)
    failed = sum(not check.holds for check in checks)
    index = Environment(loader=TEMPLATES, autoescape=True).get_template("index.j2")
    write_text(
        folder / "index.html",
        index.render(checks=checks, failed=failed, tables=[*checked.results], about=about, policy=POLICY),
    )
    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([TEMPLATES, view.env.loader])
    for name, result in checked.results.items():
        document = ValidationResultsPageRenderer().render(_safe(result))
        write_text(folder / f"{name}.html", view.render(document, policy=POLICY))


def _safe(result: ExpectationSuiteValidationResult) -> ExpectationSuiteValidationResult:
    """A copy whose text from the data is escaped."""
    safe = copy.deepcopy(result)
    for each in safe.results:
        each.result = _escaped(each.result)
    return safe


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {name: _escaped(each) for name, each in value.items()}
    return [_escaped(each) for each in value] if isinstance(value, list) else value
