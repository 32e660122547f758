"""The schema of params.yaml, read from its models: for messages and for ``tunesmith params``."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from components.errors import ParamsError
from components.params.sections import TASKS, Section

TAGS = ("task", "kind", "name")
"""Fields that tell a section from its alternatives."""


@dataclass(frozen=True)
class Entry:
    """One parameter: its dotted place, the values it takes and what it means."""

    place: str
    values: str
    description: str


def entries(section: type[Section], prefix: str = "") -> Iterator[Entry]:
    """Every parameter below a section, in the order of the file; alternatives of a union are named ``[cnn]``."""
    for field_name, field in section.model_fields.items():
        place = prefix + (field.alias or field_name)
        sections = _sections(field.annotation)
        if not sections:
            yield Entry(place, _values(field), field.description or "")
        for inner in sections:
            tag = _tag(inner) if len(sections) > 1 else ""
            yield Entry(place + tag, "section", (inner.__doc__ or "").strip().splitlines()[0])
            yield from entries(inner, f"{place}{tag}.")


def model_of(task: str) -> type[Section]:
    """The model of a task's params file.

    Raises:
        ParamsError: there is no such task.
    """
    models = {get_args(model.model_fields["task"].annotation)[0]: model for model in TASKS}
    if task not in models:
        raise ParamsError(f"There is no task '{task}'. Known: {', '.join(models)}.")
    return models[task]


def fields_at(place: tuple[str | int, ...], task: object) -> dict[str, FieldInfo]:
    """The fields of the section (or of all alternatives of it) that stands at a place of the file of a task."""
    found: list[type[Section]] = [model for model in TASKS if _tag(model) == f"[{task}]"] or list(TASKS)
    for key in place:
        found = [inner for section in found for inner in _sections(_named(section).get(str(key)))]
    return {name: field for section in found for name, field in _fields(section).items()}


def _fields(section: type[Section]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _named(section: type[Section]) -> dict[str, Any]:
    return {name: field.annotation for name, field in _fields(section).items()}


def _sections(annotation: Any) -> list[type[Section]]:
    """The section types inside an annotation: one, or the alternatives of a union."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return [inner for part in get_args(annotation) for inner in _sections(part)]
    return []


def _tag(section: type[Section]) -> str:
    """The literals by which a section is told from its alternatives, in brackets."""
    annotation = next(section.model_fields[name].annotation for name in TAGS if name in section.model_fields)
    return f"[{'|'.join(get_args(annotation))}]"


def _values(field: FieldInfo) -> str:
    """The type and bounds of a plain field, as a person reads them."""
    return " ".join([_type(field.annotation), *_bounds(field.metadata)])


def _type(annotation: Any) -> str:
    """A type as a person reads it: the words of a literal, the alternatives of a union, with their bounds."""
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        rules = [rule for each in metadata for rule in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return " ".join([_type(inner), *_bounds(rules)])
    if get_origin(annotation) in (Union, types.UnionType):
        return " | ".join("null" if part is types.NoneType else _type(part) for part in get_args(annotation))
    return "list" if get_origin(annotation) is tuple else getattr(annotation, "__name__", str(annotation))


def _bounds(metadata: list[Any]) -> list[str]:
    signs: tuple[tuple[type, str, str], ...] = (
        (Ge, "≥", "ge"),
        (Gt, ">", "gt"),
        (Le, "≤", "le"),
        (Lt, "<", "lt"),
    )
    return [
        f"{sign} {_number(getattr(rule, name))}"
        for rule in metadata
        for kind, sign, name in signs
        if isinstance(rule, kind)
    ]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
