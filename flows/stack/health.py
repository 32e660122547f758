"""Questions to a part whether it is well: an answer within a few seconds, and never an exception."""

import functools
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
    return lambda: answer_of(address, auth) is not None


def answer_of(address: str, auth: tuple[str, str] | None = None) -> httpx.Response | None:
    """The page; None: it is not there.

    Args:
        address: of the page.
        auth: user and password.
    """
    try:
        answer = _client().get(address, auth=auth)
    except httpx.HTTPError:
        return None
    return answer if answer.is_success else None


@functools.cache
def _client() -> httpx.Client:
    """One for all: a client reads every certificate of the system when it is made."""
    alone = httpx.Limits(max_keepalive_connections=0)  # a connection to a part that died would be a question in vain
    return httpx.Client(timeout=PATIENCE_SECONDS, limits=alone, trust_env=False)


def listens(host: str, port: int) -> Check:
    """Whether somebody takes connections."""

    def check() -> bool:
        try:
            socket.create_connection((host, port), timeout=PATIENCE_SECONDS).close()
        except OSError:
            return False
        return True

    return check
