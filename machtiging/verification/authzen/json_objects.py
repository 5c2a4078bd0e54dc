"""Strict reading of JSON objects (I-JSON, RFC 7493): one meaning for each request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.text import drop_byte_order_mark

_MAX_DEPTH = 32
_TYPE_NAMES: Mapping[type, str] = {dict: "object", list: "array", str: "string"}


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a body as one JSON object. Raises InvalidInput `authzen_json_ongeldig`.

    Refused are a member that stands twice, a lone surrogate, a number beyond a double, and nesting beyond 32 levels.
    """
    try:
        value = _DECODER.decode(drop_byte_order_mark(body).decode())
    except (ValueError, RecursionError):
        raise InvalidInput("authzen_json_ongeldig") from None
    if not isinstance(value, dict) or not _is_interoperable(value):
        raise InvalidInput("authzen_json_ongeldig")
    return value


def find_member(members: Mapping[str, Any], name: str, kind: type, place: str = "") -> Any:
    """Return a member of this type; None if it is absent or null.

    Raises InvalidInput `authzen_veld_ongeldig` for another type.
    """
    value = members.get(name)
    # Not isinstance: bool is an int in Python.
    if value is not None and type(value) is not kind:
        raise InvalidInput("authzen_veld_ongeldig", params={"field": place + name, "kind": _TYPE_NAMES[kind]})
    return value


def require_member(members: Mapping[str, Any], name: str, kind: type, place: str = "") -> Any:
    """Return a required member. Raises InvalidInput `authzen_veld_ontbreekt` or `authzen_veld_ongeldig`."""
    value = find_member(members, name, kind, place)
    if value is None:
        raise InvalidInput("authzen_veld_ontbreekt", params={"field": place + name})
    return value


def _reject_duplicate_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _parse_double(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is beyond a double")
    return number


def _parse_whole_number(text: str) -> int:
    if not math.isfinite(float(text)):
        raise ValueError("a number is beyond a double")
    return int(text)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_interoperable(value: dict[str, Any]) -> bool:
    """Check depth and surrogates without recursion."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, str):
            if not part.isascii() and any("\ud800" <= letter <= "\udfff" for letter in part):
                return False
        elif isinstance(part, dict | list):
            if depth > _MAX_DEPTH:
                return False
            waiting += [(inner, depth + 1) for inner in part]
            if isinstance(part, dict):
                waiting += [(inner, depth + 1) for inner in part.values()]
    return True


_DECODER = json.JSONDecoder(
    object_pairs_hook=_reject_duplicate_members,
    parse_constant=_reject_constant,
    parse_float=_parse_double,
    parse_int=_parse_whole_number,
)
