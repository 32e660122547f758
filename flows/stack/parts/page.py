"""The page that links to all: one file that the supervisor writes anew, and a small server that gives it away."""

import sys
from pathlib import Path

from components.contracts import REPORTS
from flows.ports import LOOPBACK
from flows.stack.health import answers
from flows.stack.page import FOLDER
from flows.stack.part import Part, Port
from flows.stack.site import Site

NAME = "page"


def part(site: Site) -> Part:
    """The server of the page."""
    port, folder = site.stack.page_port, site.home / FOLDER
    address = f"http://{LOOPBACK}:{port}"
    return Part(
        name=NAME,
        about="links to all of this",
        command=(sys.executable, "-m", "flows.stack.page_server", str(folder), str(port)),
        healthy=answers(address),
        address=address,
        ports=(Port(LOOPBACK, port, "TUNESMITH_STACK_PAGE_PORT"),),
        prepare=lambda: _link_reports(site, folder),
    )


def _link_reports(site: Site, folder: Path) -> None:
    """Lets the server give away what the line and the monitor write, too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in {"monitor": site.home / "monitor" / site.model, "report": REPORTS / "evaluate"}.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target.resolve())
