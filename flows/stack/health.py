"""Questions to a part whether it is well: an answer within a few seconds, and never an exception."""

import socket
from collections.abc import Callable

import httpx

PATIENCE_SECONDS = 4.0

Check = Callable[[], bool]


def answers(address: str, auth: tuple[str, str] | None = None) -> Check:
    """Whether a page is there.

    Args:
        address: of the page.
        auth: user and password.
    """

    def check() -> bool:
        try:
            return httpx.get(address, auth=auth, timeout=PATIENCE_SECONDS, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    return check


def listens(host: str, port: int) -> Check:
    """Whether somebody takes connections."""

    def check() -> bool:
        try:
            socket.create_connection((host, port), timeout=PATIENCE_SECONDS).close()
        except OSError:
            return False
        return True

    return check
