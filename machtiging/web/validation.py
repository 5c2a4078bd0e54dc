"""Validation messages in Dutch for Pydantic errors. Input values are never repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from machtiging.kernel.errors import InvalidInput, Message
from machtiging.kernel.text import drop_byte_order_mark
from machtiging.message_catalogue import find_sentence, has_message

_Model = TypeVar("_Model", bound=BaseModel)


class StrictRequestModel(BaseModel):
    """Base model for requests: unknown members are refused, and types are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_strip_whitespace=False)


def describe_faults(pydantic_errors: Sequence[Any], field_prefix: str = "") -> tuple[Mapping[str, str], ...]:
    """Return one entry per error: `veld` (path), `melding` (sentence), `soort` (stable, for programs)."""
    return tuple(
        {
            "veld": _find_field_name(fault, field_prefix),
            "melding": find_sentence(_fault_message(fault)),
            "soort": fault["type"],
        }
        for fault in pydantic_errors
    )


def _find_field_name(fault: Mapping[str, Any], prefix: str = "") -> str:
    return _truncate_field_name(prefix + ".".join(str(step) for step in fault["loc"] if step != "body"))


def _fault_message(fault: Mapping[str, Any]) -> Message:
    key = f"field.{fault['type']}"
    return Message(key if has_message(key) else "field.other", fault.get("ctx") or {})


def _truncate_field_name(name: str) -> str:
    # A member name can come from the client: shortened, without control characters.
    return "".join(letter for letter in name if letter.isprintable())[:100]


def parse_body(model: type[_Model], body: bytes, code: str = "ongeldige_invoer") -> _Model:
    """Parse the body as this model. Raises InvalidInput with a sentence per field.

    The JSON parser limits nesting depth.
    """
    try:
        return model.model_validate_json(drop_byte_order_mark(body))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        fields = {_find_field_name(fault) or "inhoud": _fault_message(fault) for fault in faults}
        raise InvalidInput(code, message="verzoek_ongeldig", fields=fields) from None
