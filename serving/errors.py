"""What a client did wrong, or what the server cannot do now: a status and a sentence that helps."""

from components.errors import TunesmithError


def encodable(text: str) -> str:
    """The text with what UTF-8 cannot hold, half a surrogate pair of a client's, written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


class RequestError(TunesmithError):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status (RFC 9110).
        headers: of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers or {}


class Overloaded(RequestError):
    """More work waits than the settings allow: 503 with Retry-After."""

    def __init__(self, sentence: str) -> None:
        super().__init__(503, sentence, {"Retry-After": "1"})
