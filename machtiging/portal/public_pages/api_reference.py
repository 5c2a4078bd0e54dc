"""The OpenAPI document as values for a page: operations, fields and answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")
_REF_PREFIX = "#/components/schemas/"
# Deeper members are those of a list inside a list. The OpenAPI document has them.
_MAX_DEPTH = 5
_PROBLEM = "Problem"

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApiField:
    """A parameter, or a member of a body. `name` has a dot for each level, and `[]` for the items of a list."""

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class ApiBody:
    """A body of one media type with its fields. Without fields it is a file."""

    media_type: str
    fields: tuple[ApiField, ...]


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer by its status. `is_problem`: its body is a problem (RFC 9457)."""

    status: str
    description: str
    bodies: tuple[ApiBody, ...]
    is_problem: bool


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """One operation of the API. `path` begins with the version of the API."""

    operation_id: str
    tag: str
    method: str
    path: str
    summary: str
    paragraphs: tuple[str, ...]
    parameters: tuple[ApiField, ...]
    bodies: tuple[ApiBody, ...]
    answers: tuple[ApiAnswer, ...]


@dataclass(frozen=True, slots=True)
class ApiTag:
    """A group of operations with its description."""

    name: str
    description: str
    operations: tuple[ApiOperation, ...]


def list_api_tags(document: Schema, prefix: str) -> tuple[ApiTag, ...]:
    """List the operations of an OpenAPI document by tag, in its order. `prefix` goes before each path."""
    operations = tuple(_list_operations(document, prefix))
    described = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    names = list(dict.fromkeys([*described, *(one.tag for one in operations)]))
    grouped = ((name, tuple(one for one in operations if one.tag == name)) for name in names)
    return tuple(ApiTag(name, described.get(name, ""), found) for name, found in grouped if found)


def find_api_operation(document: Schema, prefix: str, operation_id: str) -> ApiOperation | None:
    """Find the operation with this id. None if there is none."""
    return next((one for one in _list_operations(document, prefix) if one.operation_id == operation_id), None)


def _list_operations(document: Schema, prefix: str) -> Iterator[ApiOperation]:
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield _build_operation(operations[method], method, prefix + path, schemas)


def _build_operation(operation: Schema, method: str, path: str, schemas: Schema) -> ApiOperation:
    return ApiOperation(
        operation_id=operation["operationId"],
        tag=operation["tags"][0],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        paragraphs=_split_paragraphs(operation.get("description", "")),
        parameters=tuple(_build_parameter(one, schemas) for one in operation.get("parameters", ())),
        bodies=_build_bodies(operation.get("requestBody", {}), schemas),
        answers=tuple(_build_answer(status, one, schemas) for status, one in operation["responses"].items()),
    )


def _split_paragraphs(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def _build_parameter(parameter: Schema, schemas: Schema) -> ApiField:
    schema = parameter.get("schema", {})
    description = parameter.get("description") or schema.get("description", "")
    is_required = parameter.get("required", False)
    return ApiField(parameter["name"], _describe_kind(schema, schemas), is_required, description)


def _build_answer(status: str, answer: Schema, schemas: Schema) -> ApiAnswer:
    contents = answer.get("content", {})
    is_problem = any(one.get("schema", {}).get("$ref") == _REF_PREFIX + _PROBLEM for one in contents.values())
    return ApiAnswer(
        status, answer.get("description", ""), () if is_problem else _build_bodies(answer, schemas), is_problem
    )


def _build_bodies(holder: Schema, schemas: Schema) -> tuple[ApiBody, ...]:
    contents = holder.get("content", {})
    return tuple(
        ApiBody(media_type, tuple(_list_fields(content.get("schema", {}), schemas)))
        for media_type, content in contents.items()
    )


def _resolve_schema(schema: Schema, schemas: Schema) -> Schema:
    """Follow references, and leave null out of a choice."""
    while True:
        if "$ref" in schema:
            schema = {**schemas[schema["$ref"].removeprefix(_REF_PREFIX)], **_without(schema, "$ref")}
            continue
        choices = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
        if len(choices) != 1:
            return schema
        schema = {**choices[0], **_without(schema, "anyOf")}


def _without(schema: Schema, name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _list_fields(schema: Schema, schemas: Schema, prefix: str = "", depth: int = 0) -> Iterator[ApiField]:
    """List the members of an object, each before its own members."""
    schema = _resolve_schema(schema, schemas)
    if schema.get("type") == "array":
        yield from _list_fields(schema.get("items", {}), schemas, f"{prefix}[]", depth)
        return
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        full_name = f"{prefix}.{name}" if prefix else name
        description = _resolve_schema(member, schemas).get("description", "") if "$ref" not in member else ""
        yield ApiField(full_name, _describe_kind(member, schemas), name in required, description)
        if depth < _MAX_DEPTH:
            yield from _list_fields(member, schemas, full_name, depth + 1)


def _describe_kind(schema: Schema, schemas: Schema) -> str:
    """Describe the type of a value as programs write it, such as `string<uuid>` or `string[]`."""
    is_nullable = any(one.get("type") == "null" for one in schema.get("anyOf", ()))
    schema = _resolve_schema(schema, schemas)
    kind = _describe_one_kind(schema, schemas)
    return f"{kind} | null" if is_nullable else kind


def _describe_one_kind(schema: Schema, schemas: Schema) -> str:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if values:
        return " | ".join(f'"{value}"' for value in values)
    if "anyOf" in schema:
        return " | ".join(_describe_kind(one, schemas) for one in schema["anyOf"])
    if schema.get("type") == "array":
        item = _describe_kind(schema.get("items", {}), schemas)
        return f"({item})[]" if " | " in item else f"{item}[]"
    kind: str = schema.get("type", "object")
    return f"{kind}<{schema['format']}>" if "format" in schema else kind
