"""The page that links to all parts, in a real browser: wide, as narrow as a phone, and without a script."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from flows.endings import Ending
from flows.stack.page import FOLDER, write_page
from flows.stack.state import PartState, StackState

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no Chromium here: install it (apt-get install chromium)"
)
WHEN = "2026-11-27T10:00:00+00:00"
PHONE = {"width": 360, "height": 740}


def state(*parts: PartState) -> StackState:
    return StackState(process=7, started=1, boot="x", since=WHEN, phase="up", parts=parts)


def part(name: str, **more: object) -> PartState:
    known = {"name": name, "about": "tracking <b>and</b> registry", "condition": "healthy", "log": "/x/logs/a.log"}
    return PartState.model_validate(known | more)


@pytest.fixture
def page() -> Iterator[Page]:
    assert CHROMIUM, "there is no Chromium here"
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
        yield context.new_page()
        browser.close()


def test_every_part_is_linked_and_what_ails_it_is_said(page: Page, tmp_path: Path) -> None:
    well = part("mlflow", address="http://127.0.0.1:5000")
    given_up = part("ray", condition="failed", address="127.0.0.1:6379", fault="ray ended with status 1 5 times.")
    again = part("service", restarts=1, ended="was killed by signal 9")
    poisoned = Ending(flow="retrain", state="Failed", ended=WHEN, why="validate: <3 classes>.", completed=None)
    (tmp_path / "flows").mkdir()
    poisoned.write(tmp_path / "flows/retrain.json")
    write_page(state(well, given_up, again), tmp_path)
    page.goto((tmp_path / FOLDER / "index.html").as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("Not healthy: ray")
    expect(page.get_by_role("link", name="http://127.0.0.1:5000")).to_have_attribute("href", "http://127.0.0.1:5000")
    expect(page.get_by_text("127.0.0.1:6379")).to_be_visible()
    expect(page.get_by_text("ray ended with status 1 5 times.")).to_be_visible()
    expect(page.get_by_text("It was killed by signal 9, and was started again.")).to_be_visible()
    expect(page.get_by_text("tracking <b>and</b> registry").first).to_be_visible()
    told = "retrain: failed at 2026-11-27 10:00 UTC, it has never ended well: validate: <3 classes>."
    expect(page.get_by_text(told)).to_be_visible()
    width = page.locator("body").bounding_box()
    assert width is not None
    assert width["width"] <= PHONE["width"], "wider than the screen"
