"""The page that links to all parts, and says how they are."""

from pathlib import Path

from components.files import write_text
from components.page.environment import page_environment
from flows.endings import read_endings
from flows.stack.state import StackState

FOLDER = Path("stack") / "page"
"""In the home folder."""
TEMPLATE = "page.html.jinja"
WORDS = {"starts": "It is starting", "stops": "It is stopping", "ended": "It has been stopped"}


def write_page(state: StackState, home: Path) -> None:
    """Writes ``stack/page/index.html`` of a home folder."""
    template = page_environment("flows.stack").get_template(TEMPLATE)
    page = template.render(stack=state, headline=_headline(state), home=home, flows=read_endings(home))
    write_text(home / FOLDER / "index.html", page)


def _headline(state: StackState) -> str:
    if state.phase != "up":
        return WORDS[state.phase]
    ill = [part.name for part in state.parts if part.condition != "healthy"]
    return f"Not healthy: {', '.join(ill)}" if ill else "Everything is healthy"
