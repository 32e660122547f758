"""From the text of params.yaml to :class:`Params`, or to every fault of it at once."""

import difflib
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from components.errors import ParamsError
from components.params.schema import fields_at
from components.params.sections import AnyParams, Params

Place = tuple[str | int, ...]
WITHOUT_RULE = ("missing", "extra_forbidden", "union_tag_not_found", "union_tag_invalid")
"""Faults of a key that should be there, or should not be."""
CHECKED: TypeAdapter[Params] = TypeAdapter(AnyParams)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Reads and checks a params file.

    Raises:
        ParamsError: it cannot be read, or breaks a rule; every fault is reported with place, rule, value and next step.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist here ({Path.cwd()}). "
            "Run the command inside the repository, or copy one of presets/*.yaml."
        ) from None
    except IsADirectoryError:
        raise ParamsError(f"{path} is a folder. Put a file in its place: copy one of presets/*.yaml.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} cannot be read as UTF-8 text: {error}") from None
    return parse_params(text, str(path))


def parse_params(text: str, origin: str = "params.yaml") -> Params:
    """Checks the text of a params file.

    Args:
        text: YAML 1.2.
        origin: name of the file in messages.

    Raises:
        ParamsError: as :func:`load_params`.
    """
    try:
        document = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        where = f":{error.problem_mark.line + 1}:{error.problem_mark.column + 1}" if error.problem_mark else ""
        raise ParamsError(
            f"{origin}{where}: not valid YAML: {error.problem or error.context}. Mend the line and run again."
        ) from None
    except YAMLError as error:
        raise ParamsError(f"{origin}: not valid YAML: {error}. Mend the file and run again.") from None
    if not isinstance(document, CommentedMap):
        found = "nothing" if document is None else f"only {_found(_plain(document))}"
        raise ParamsError(f"{origin}: expected sections such as 'train:', found {found}. Copy one of presets/*.yaml.")
    try:
        return CHECKED.validate_python(_plain(document))
    except ValidationError as error:
        faults = [_sentence(fault, document, origin) for fault in _merged(error.errors(), document)]
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ParamsError(f"{origin} has {count}; nothing was run.\n" + "\n".join(faults)) from None


def _plain(node: Any) -> Any:
    """Strips the round-trip types, so that strict models see str, int, float, bool, list and dict."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _merged(faults: list[ErrorDetails], document: CommentedMap) -> list[ErrorDetails]:
    """One fault a place: where a value may be of several plain types, each of them has refused it for itself."""
    merged: dict[Any, ErrorDetails] = {}
    for fault in faults:
        key = (_locate(fault, document), fault["type"] in WITHOUT_RULE)
        if key in merged:
            merged[key]["msg"] += f", or {fault['msg'][0].lower()}{fault['msg'][1:]}"
        else:
            merged[key] = fault
    return list(merged.values())


def _sentence(fault: ErrorDetails, document: CommentedMap, origin: str) -> str:
    """One fault: place, rule, value, next step."""
    if fault["loc"] == (document.get("task"),):  # a rule between two sections, which names its places itself
        return f"  {origin}  {fault['msg'].removeprefix('Value error, ')}"
    place, line = _locate(fault, document)
    dotted = ".".join(map(str, place))
    head = f"  {origin}:{line}  {dotted}: "
    if fault["type"] in ("missing", "union_tag_not_found"):
        return head + f"is missing. Add it: {_description(place, document)}"
    if fault["type"] == "extra_forbidden":
        return head + f"is not a parameter. {_did_you_mean(place, document)}"
    if fault["type"] == "union_tag_invalid":
        return head + _other_tag(fault, document)
    rule = fault["msg"].removeprefix("Value error, ")
    return head + f"{rule[0].lower()}{rule[1:]}; found {_found(fault['input'])}. {_description(place, document)}"


def _other_tag(fault: ErrorDetails, document: CommentedMap) -> str:
    """What would do where a union knows no such kind."""
    tag, known = fault["ctx"]["tag"], fault["ctx"]["expected_tags"].replace("'", "")
    close = difflib.get_close_matches(tag, known.split(", "), n=1)
    where = f" for {document['task']}" if fault["loc"] else ""
    meant = f"Did you mean '{close[0]}'? " if close else ""
    return f"{_found(tag)} is not known{where}. {meant}Known: {known}."


def _found(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _locate(fault: ErrorDetails, document: CommentedMap) -> tuple[Place, int]:
    """The keys of the file that lead to a fault, and its line; what names an alternative is no key, and is left out."""
    tag = fault.get("ctx", {}).get("discriminator", "").strip("'")  # of a union: the key that chooses among its kinds
    loc = (*fault["loc"], tag) if tag else fault["loc"]
    node: Any = document
    place: list[str | int] = []
    line = 1
    for index, key in enumerate(loc):
        inside = (isinstance(node, CommentedMap) and key in node) or (
            isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node)
        )
        if inside:
            line = (node.lc.key(key) if isinstance(node, CommentedMap) else node.lc.item(key))[0] + 1
            node = node[key]
            place.append(key)
        elif index == len(loc) - 1 and fault["type"] in WITHOUT_RULE:
            place.append(key)
    return tuple(place), line


def _description(place: Place, document: CommentedMap) -> str:
    """What the schema says of a place; of an item of a list, what it says of the list."""
    *parent, name = [key for key in place if not isinstance(key, int)]
    field = fields_at(tuple(parent), document.get("task")).get(str(name))
    return (
        field.description
        if field and field.description
        else f"'tunesmith params' shows what {'.'.join(map(str, place))} holds."
    )


def _did_you_mean(place: Place, document: CommentedMap) -> str:
    *parent, name = place
    known = sorted(fields_at(tuple(parent), document.get("task")))
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known here: {', '.join(known)}."
