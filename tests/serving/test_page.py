"""The page in a real browser: with the mouse, with the keyboard, and as narrow as a phone."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from components.api_keys import make_key
from components.predictions import feedback_columns, feedback_folder, read
from tests.package_factory import DIGITS, digits
from tests.serving.running import PATIENCE, Running, running, wait_for
from tests.serving.test_server import png
from tests.serving.test_tasks import promote_rows, promote_texts
from tests.shelf import NAME, Shelf, copy_of
from tests.text_package import SENTENCES

PHONE = {"width": 360, "height": 740}
MILLISECONDS = 1000 * PATIENCE
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="no Chromium here: install it (apt-get install chromium)"
)
expect.set_options(timeout=MILLISECONDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "there is no Chromium here"
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=MILLISECONDS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a phone's width, which fails the test where a script does, or asks another address."""
    page = browser.new_page(viewport=PHONE)  # type: ignore[arg-type]
    page.set_default_timeout(MILLISECONDS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Security Policy" in message.text else None)
    page.on("request", lambda request: faults.append(request.url) if "127.0.0.1" not in request.url else None)
    yield page
    page.close()
    assert not [fault for fault in faults if not fault.startswith("blob:")]


def shown(page: Page, name: str) -> None:
    """Keeps a picture for a person who wants one, and sees to it that nothing hangs over the edge."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"


def test_an_image_is_answered_explained_and_corrected(server: Running, shared_shelf: Shelf, page: Page) -> None:
    page.goto(server.address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Image classification")
    sample, label = digits().inputs[7], int(digits().labels[7])
    page.set_input_files("#file", files=[{"name": "a.png", "mimeType": "image/png", "buffer": png(sample)}])
    expect(page.locator("#verdict")).to_have_text(DIGITS[label])
    expect(page.locator("#shares li")).to_have_count(10)
    page.get_by_role("button", name="What mattered?").click()
    expect(page.locator("canvas.heat")).to_be_visible()
    expect(page.locator("#explanation")).to_contain_text("occlusion")
    shown(page, "image")
    page.select_option("#truth", DIGITS[3])
    page.get_by_role("button", name="Send the correction").click()
    expect(page.locator("#thanks")).to_contain_text("it is kept for the answer of version 1")
    kept = read(feedback_folder(shared_shelf.settings, NAME), feedback_columns())
    assert DIGITS[3] in kept["label"].to_pylist()
    page.get_by_text("Model card").click()
    expect(page.locator("#card-text h1")).to_be_visible()


def test_an_image_is_drawn_with_the_pointer_and_with_the_keys(server: Running, page: Page) -> None:
    page.goto(server.address)
    page.get_by_text("Draw one").click()
    paper = page.locator("#paper")
    box = paper.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 200, steps=5)
    page.mouse.up()
    expect(page.locator("#verdict")).not_to_be_empty()
    first = page.locator("#origin").inner_text()
    paper.focus()
    page.keyboard.down(" ")
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    expect(page.locator("#origin")).not_to_have_text(first)
    shown(page, "drawn")


def test_a_refusal_is_shown_in_the_servers_words(server: Running, page: Page) -> None:
    page.goto(server.address)
    page.set_input_files("#file", files=[{"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}])
    expect(page.get_by_role("alert")).to_contain_text("not an image")


def put(page: Page, content: bytes) -> None:
    page.set_input_files("#file", files=[{"name": "a.png", "mimeType": "image/png", "buffer": content}])


def test_no_answer_stays_beside_an_image_that_it_is_not_of(server: Running, page: Page) -> None:
    """It would be explained over the other image, and corrected with what that one shows."""
    page.goto(server.address)
    put(page, png(digits().inputs[7]))
    expect(page.locator("#correction")).to_be_visible()
    put(page, b"no picture")
    expect(page.get_by_role("alert")).to_contain_text("not an image")
    expect(page.locator("#answer")).to_be_hidden()
    put(page, png(digits().inputs[8]))
    expect(page.locator("#correction")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.route("**/predict", lambda route: None)  # it is never answered
    put(page, png(digits().inputs[9]))
    expect(page.locator("#answer")).to_have_attribute("inert", "")


def test_what_came_of_an_earlier_image_hides_no_later_refusal(server: Running, page: Page) -> None:
    page.goto(server.address)
    expect(page.locator("#file")).to_be_attached()
    waiting: list[Route] = []
    page.route("**/predict", lambda route: waiting.append(route) if not waiting else route.continue_())
    put(page, png(digits().inputs[7]))
    put(page, b"no picture")
    expect(page.get_by_role("alert")).to_contain_text("not an image")
    with page.expect_response("**/predict"):
        waiting[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done, 50))")
    expect(page.get_by_role("alert")).to_contain_text("not an image")
    expect(page.locator("#answer")).to_be_hidden()


def test_a_page_whose_version_was_replaced_says_so(shelf: Shelf, tmp_path: Path, page: Page) -> None:
    """Its card and its classes are those of the version that answered when it was opened."""
    shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path) as server:
        page.goto(server.address)
        put(page, png(digits().inputs[7]))
        expect(page.locator("#origin")).to_contain_text("Version 1")
        expect(page.locator("#other")).to_be_hidden()
        second = shelf.promote(shelf.publish(1.0))
        wait_for(lambda: server.serves(second), "the second version answers")
        put(page, png(digits().inputs[7]))
        expect(page.locator("#other")).to_contain_text("the card and the classes of version 1.")
        shown(page, "replaced")
        page.get_by_role("link", name="Load it anew").click()
        expect(page.locator("#about")).to_contain_text(f"Version {second}")
        expect(page.locator("#other")).to_be_hidden()


def test_a_page_of_another_site_is_answered_nothing(server: Running, browser: Browser) -> None:
    """A form needs no permission of the server's; the browser says from where it is sent."""
    page = browser.new_page()
    page.goto(f"http://localhost:{server.port}/livez")  # another site than 127.0.0.1
    page.evaluate(
        """async ([address, pixels]) => {
          const form = new FormData();
          form.append("image", new Blob([new Uint8Array(pixels)], { type: "image/png" }), "a.png");
          await fetch(`${address}/predict`, { method: "POST", mode: "no-cors", body: form }).catch(() => null);
        }""",
        [server.address, list(png(digits().inputs[7]))],
    )
    page.close()
    refused = 'requests_total{route="/predict",status="403"} 1.0'
    wait_for(lambda: refused in server.get("/metrics").text, "the refusal")


@pytest.mark.slow
def test_a_text_is_asked_with_the_keyboard_alone(empty_registry: Path, tmp_path: Path, page: Page) -> None:
    shelf = copy_of(empty_registry, tmp_path)
    promote_texts(shelf, tmp_path / "package")
    with running(shelf.settings, tmp_path) as server:
        page.goto(server.address)
        expect(page.locator("#text")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.type(SENTENCES["praise"][0])
        page.keyboard.press("Control+Enter")
        expect(page.locator("#verdict")).to_have_text("praise")
        page.locator("#why").press("Enter")
        expect(page.locator(".tokens span").first).to_be_visible()
        shown(page, "text")


@pytest.mark.slow
def test_a_row_is_asked_with_a_field_for_each_column(empty_registry: Path, tmp_path: Path, page: Page) -> None:
    shelf = copy_of(empty_registry, tmp_path)
    promote_rows(shelf, tmp_path / "package")
    with running(shelf.settings, tmp_path) as server:
        page.goto(server.address)
        page.get_by_role("button", name="Ask").click()
        expect(page.locator("#verdict")).not_to_be_empty()
        page.locator("#why").click()
        expect(page.locator("#explanation .bars li")).not_to_have_count(0)
        shown(page, "row")


@pytest.mark.slow
def test_a_server_with_keys_asks_for_one(shelf: Shelf, tmp_path: Path, page: Page) -> None:
    shelf.promote(shelf.publish(0.0))
    key = make_key(shelf.settings.key_folder, "page", "predict")
    with running(shelf.settings, tmp_path) as server:
        page.goto(server.address)
        wait_for(page.locator("#key").is_visible, "the field for the key")
        page.locator("#key-value").fill("wrong")
        with page.expect_response("**/card"):  # an answer to it that came late would be shown in place of the next one
            page.get_by_role("button", name="Use it").click()
        expect(page.get_by_role("alert")).to_contain_text("who has a key")
        page.locator("#key-value").fill(key)
        page.get_by_role("button", name="Use it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Image classification")
        expect(page.locator("#key")).to_be_hidden()


def test_only_a_browser_gets_the_page_and_only_the_pages_files_are_served(server: Running) -> None:
    html = server.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert html.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in html.headers["content-security-policy"]
    assert server.get("/").headers["content-type"] == "application/json"
    assert server.get("/page/app.js").headers["content-type"].startswith("text/javascript")
    for path in ("/page/%2e%2e%2fapp.py", "/page/..%2fapp.py", "/page/none.js", "/page/"):
        assert server.get(path).status_code in (404, 307), path
