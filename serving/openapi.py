"""The HTTP surface as OpenAPI 3.1: true for the version that answers, whose inputs and classes it names."""

from typing import Any

from components.contracts import (
    ClassTarget,
    ImageInputs,
    Inputs,
    NumericColumn,
    RowInputs,
    Target,
    TextInputs,
    ValueTarget,
)
from components.contracts.inputs import Column
from components.settings import Settings
from components.tasks.rows.encoding import LARGEST
from serving.decoding.images import NPY_TYPES
from serving.model import ServedModel
from serving.requests import REQUEST_ID

Schema = dict[str, Any]
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/bmp")
FILE: Schema = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
REFUSALS = {
    "400": "The body is empty, or cannot be read.",
    "401": "A key is needed, and none or a wrong one was sent.",
    "403": "The key may not ask this; where none is wanted, a page of another site may not.",
    "404": "Nothing of the kind is here.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The Content-Type is none that this model reads.",
    "422": "The body can be read, and is not what the model takes; the sentence says where.",
    "429": "The key has asked too often; Retry-After says when to ask again.",
    "503": "No version is loaded yet, or too much work waits; Retry-After says when to ask again.",
    "507": "The disk is full.",
}
ASKING = ("400", "401", "403", "408", "413", "415", "422", "429", "503")
TELLING = ("401", "403", "429", "503")


def document(served: ServedModel, settings: Settings, *, keys: bool) -> dict[str, Any]:
    """The document.

    Args:
        served: the version that answers.
        settings: of the server, for its limits.
        keys: whether who has no key is refused.
    """
    signature = served.signature
    one, several = sample_contents(signature.inputs, settings.max_batch)
    prediction = prediction_schema(signature.target)
    schemas = {"Prediction": prediction, "Error": _object(error={"type": "string"}, request_id=REQUEST_NAME)}
    security: dict[str, Any] = {"security": [{"bearer": []}, {"header": []}]} if keys else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"tunesmith: {signature.task}",
            "version": str(served.version),
            "description": "The schemas are those of the version that answers now; another may have other classes.",
        },
        "paths": {
            "/predict": {"post": _asked("Answers one sample.", one, _answered())},
            "/predict_batch": {
                "post": _asked(
                    "Answers several samples, all by one version.",
                    several,
                    _object(predictions={"type": "array", "items": _reference("Prediction")}, **ANSWER),
                )
            },
            "/explain": {
                "post": _asked(
                    "Answers one sample, and says what of it mattered.",
                    one,
                    {"allOf": [_answered(), _object(explanation=explanation_schema(signature.inputs))]},
                )
            },
            "/feedback": {"post": _feedback(signature.target)},
            "/card": {"get": _told("What answers, and its model card.", {"type": "object"})},
            "/model": {"get": _told("What answers, and what came of following the registry.", {"type": "object"})},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        **security,
    }


def sample_contents(inputs: Inputs, most: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bodies that one sample, and a list of them, may be sent as."""
    sample = sample_schema(inputs)
    one = {"application/json": {"schema": _object(inputs=sample)}}
    lists = [
        {"type": "array", "items": each, "minItems": 1, "maxItems": most} for each in sample.get("oneOf", [sample])
    ]
    listed = {"oneOf": lists} if len(lists) > 1 else lists[0]  # all samples of a list have the same form
    several = {"application/json": {"schema": _object(inputs=listed)}}
    match inputs:
        case ImageInputs():
            files: dict[str, Any] = {kind: {"schema": FILE} for kind in (*IMAGE_TYPES, NPY_TYPES[0])}
            parts = {"encoding": {"image": {"contentType": ", ".join(IMAGE_TYPES)}}}
            some = {"type": "array", "items": FILE, "minItems": 1, "maxItems": most}
            form = {"schema": _object(image=FILE) | {"additionalProperties": False}, **parts}
            forms = {"schema": _object(image=some) | {"additionalProperties": False}, **parts}
            one |= files | {"multipart/form-data": form}
            several |= {NPY_TYPES[0]: {"schema": FILE}, "multipart/form-data": forms}
        case TextInputs():
            one |= {"text/plain": {"schema": sample | {"pattern": r"[^\s\ufeff]"}}}
    return one, several


def sample_schema(inputs: Inputs) -> Schema:
    """One sample as JSON."""
    match inputs:
        case ImageInputs(height=height, width=width, channels=channels):
            value = {"type": "integer", "minimum": 0, "maximum": 255}
            whole = _nested(value, height, width, channels)
            return {"oneOf": [whole, _nested(value, height, width)]} if channels == 1 else whole
        case TextInputs():
            return {"type": "string", "minLength": 1, "pattern": r"\S"}
        case RowInputs(columns=columns, missing=missing):
            row = _object(**{column.name: _column(column, missing) for column in columns})
            row["required"] = [each.name for each in columns if not (_is_number(each) and missing == "impute")]
            return row | {"additionalProperties": False}


def _nested(value: Schema, *sizes: int) -> Schema:
    for size in reversed(sizes):
        value = {"type": "array", "items": value, "minItems": size, "maxItems": size}
    return value


def _is_number(column: Column) -> bool:
    return isinstance(column, NumericColumn)


def _column(column: Column, missing: str) -> Schema:
    match column:
        case NumericColumn():
            kind = ["number", "null"] if missing == "impute" else "number"
            words = f"{column.low:g} to {column.high:g} in training"
            return {"type": kind, "minimum": -LARGEST, "maximum": LARGEST, "description": words}
        case _:
            return {"type": "string", "examples": list(column.categories[:20])}


def prediction_schema(target: Target) -> Schema:
    """What is answered about one sample."""
    match target:
        case ClassTarget(labels=labels):
            shares = {"type": "object", "propertyNames": {"enum": list(labels)}, "additionalProperties": SHARE}
            return _object(label={"enum": list(labels)}, confidence=SHARE, probabilities=shares)
        case ValueTarget(name=name):
            return _object(value={"type": "number"}, name={"const": name})


def explanation_schema(inputs: Inputs) -> Schema:
    """What of a sample mattered."""
    effect = {"type": "number"}
    match inputs:
        case ImageInputs():
            parts = {"map": {"type": "array", "items": {"type": "array", "items": effect}}}
        case TextInputs():
            parts = {"tokens": {"type": "array", "items": _object(text={"type": "string"}, effect=effect)}}
        case RowInputs():
            parts = {"columns": {"type": "array", "items": _object(name={"type": "string"}, effect=effect)}}
    return _object(method={"type": "string"}, **parts)


REQUEST_NAME: Schema = {"type": "string", "pattern": f"^{REQUEST_ID.pattern.decode()}$"}
ANSWER = {"version": {"type": "integer", "minimum": 1}, "request_id": REQUEST_NAME}
HEADERS = {
    "X-Request-Id": {"description": "The client's own, if it sent one.", "schema": REQUEST_NAME},
    "X-Model-Version": {"description": "That gave the answer.", "schema": {"type": "integer"}},
}
TOP = {
    "name": "top",
    "in": "query",
    "description": "So many of the most probable classes are told of; all where it is left out.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}
NAMED = {
    "name": "X-Request-Id",
    "in": "header",
    "description": f"A name for the answer; one that is not of the form {REQUEST_ID.pattern.decode()} is not taken.",
    "schema": {"type": "string"},
}
STICKY = {
    "name": "X-Sticky-Key",
    "in": "header",
    "description": "Who asks: while a canary answers some, the same one has the same version.",
    "schema": {"type": "string"},
}


def _answered() -> Schema:
    return {"allOf": [_reference("Prediction"), _object(**ANSWER)]}


def _asked(summary: str, contents: dict[str, Any], answer: Schema) -> dict[str, Any]:
    responses = {"200": _response("The answer.", answer, HEADERS), **_refusals(ASKING)}
    body = {"required": True, "content": contents}
    return {"summary": summary, "parameters": [TOP, NAMED, STICKY], "requestBody": body, "responses": responses}


def _feedback(target: Target) -> dict[str, Any]:
    truth = {"label": {"enum": list(target.labels)}} if isinstance(target, ClassTarget) else {"value": SOME_VALUE}
    correction = _object(request_id=REQUEST_NAME, **truth) | {"additionalProperties": False}
    sample = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    correction["properties"]["sample"] = sample
    kept = _object(request_id=REQUEST_NAME, sample=sample, version=ANSWER["version"])
    return {
        "summary": "Takes what an answer should have been.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": correction}}},
        "responses": {"201": _response("It is kept.", kept), **_refusals((*ASKING, "404", "507"))},
    }


SOME_VALUE: Schema = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}


def _told(summary: str, answer: Schema) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _response(summary, answer), **_refusals(TELLING)}}


def _refusals(statuses: tuple[str, ...]) -> dict[str, Any]:
    return {status: _response(REFUSALS[status], _reference("Error")) for status in sorted(statuses)}


def _response(words: str, schema: Schema, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": words,
        "content": {"application/json": {"schema": schema}},
        **({"headers": headers} if headers else {}),
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}
