"""JSON documents, those of the form ``{"inputs": …}`` above all."""

import gc
import json
from typing import Any, NoReturn

import orjson

from serving.errors import RequestError

JSON_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    type(None): "null",
    int: "a number",
    float: "a number",
}
"""What a person calls a value of JSON."""


def is_json(kind: str) -> bool:
    """Whether a Content-Type says JSON."""
    return kind == "application/json" or kind.endswith("+json")


def read_inputs(body: bytes, wanted: str) -> Any:
    """The value of ``inputs``.

    Args:
        body: of the request.
        wanted: what it should be, in words.

    Raises:
        RequestError: malformed JSON (400), or JSON that is no such object (422).
    """
    document = read_json(body)
    if not isinstance(document, dict) or "inputs" not in document:
        raise RequestError(422, f'Send {{"inputs": …}}, {wanted}.')
    return document["inputs"]


def read_json(body: bytes) -> Any:
    """The value of a document; whole numbers of more than 64 bits may come as doubles (RFC 8259, section 6).

    Garbage is not looked for meanwhile: there is none, and among millions of lists, which fit into a large body, the
    search would hold everybody up for seconds.

    Raises:
        RequestError: malformed JSON (400).
    """
    gc.disable()
    try:
        return orjson.loads(body)  # in half the time
    except orjson.JSONDecodeError:  # of UTF-16 or half a character, which we take, or malformed: who can say why?
        return _read_patiently(body)
    finally:
        gc.enable()


def _read_patiently(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise RequestError(400, "The JSON is nested too deeply.") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError among them
        raise RequestError(400, f"The body is not JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")


def read_samples(body: bytes, single: bool, one: str, several: str) -> list[Any]:
    """The samples of a request: the one, or the list of several.

    Args:
        body: of the request.
        single: whether one sample was asked for.
        one: what it should be, in words.
        several: what a list of them should be, in words.

    Raises:
        RequestError: as :func:`read_inputs`; several were expected, and it is no list (422).
    """
    inputs = read_inputs(body, one if single else several)
    if single:
        return [inputs]
    if type(inputs) is not list:
        raise RequestError(422, f'Send {{"inputs": […]}}, {several}; found {JSON_KINDS[type(inputs)]}.')
    return inputs
