"""The page to try a model on: plain files, which ask nobody but this server."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FILES = {
    file.name: (file.read_bytes(), KINDS[file.suffix[1:]])
    for file in sorted((Path(__file__).parents[1] / "page").iterdir())
    if file.suffix[1:] in KINDS
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}


def wants_page(request: Request) -> bool:
    """Whether a browser asks: programs do not say that they take HTML."""
    return "text/html" in request.headers.get("accept", "")


async def page(request: Request) -> Response:
    """The page itself."""
    return _file("index.html")


async def part(request: Request) -> Response:
    """A file of the page.

    Raises:
        HTTPException: 404, there is no such file.
    """
    name = request.path_params["name"]
    if name not in FILES:
        raise HTTPException(404)
    return _file(name)


def _file(name: str) -> Response:
    content, kind = FILES[name]
    return Response(content, media_type=kind, headers=HEADERS)
