"""Validation messages in Dutch for Pydantic errors. Input values are never repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.text import drop_byte_order_mark

_Model = TypeVar("_Model", bound=BaseModel)

_SENTENCES: Mapping[str, str] = {
    "missing": "Dit veld ontbreekt.",
    "extra_forbidden": "Dit veld kennen wij niet.",
    "string_type": "Hier hoort tekst.",
    "string_too_long": "Dit is te lang: hoogstens {max_length} tekens.",
    "bytes_too_long": "Dit is te lang: hoogstens 1 MiB.",
    "string_too_short": "Dit is te kort: minstens {min_length} tekens.",
    "string_pattern_mismatch": "Dit heeft niet de juiste vorm.",
    "bool_type": "Hier hoort true of false.",
    "int_type": "Hier hoort een geheel getal.",
    "int_parsing": "Hier hoort een geheel getal.",
    "greater_than_equal": "Dit is te klein: minstens {ge}.",
    "less_than_equal": "Dit is te groot: hoogstens {le}.",
    "literal_error": "Kies een van: {expected}.",
    "timezone_aware": "Bij deze tijd ontbreekt de tijdzone.",
    "datetime_from_date_parsing": "Dit is geen datum met tijd.",
    "datetime_type": "Dit is geen datum met tijd.",
    "json_invalid": "Dit is geen geldige JSON.",
    "model_type": "Hier hoort een object.",
    "dict_type": "Hier hoort een object.",
}


class Strict(BaseModel):
    """Base model for requests: unknown members are refused, and types are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_strip_whitespace=False)


def faults_in(found: Sequence[Any], under: str = "") -> tuple[Mapping[str, str], ...]:
    """Return one entry per error: `veld` (path), `melding` (sentence), `soort` (stable, for programs)."""
    faults = []
    for fault in found:
        where = ".".join(str(step) for step in fault["loc"] if step != "body")
        sentence = _SENTENCES.get(fault["type"], "Deze waarde klopt niet.").format_map(fault.get("ctx") or {})
        faults.append({"veld": _cut(under + where), "melding": sentence, "soort": fault["type"]})
    return tuple(faults)


def _cut(name: str) -> str:
    # A member name can come from the client: shortened, without control characters.
    return "".join(letter for letter in name if letter.isprintable())[:100]


def parsed(model: type[_Model], body: bytes, code: str = "ongeldige_invoer") -> _Model:
    """Parse the body as this model. Raises InvalidInput with a sentence per field.

    The JSON parser limits nesting depth.
    """
    try:
        return model.model_validate_json(drop_byte_order_mark(body))
    except ValidationError as error:
        faults = faults_in(error.errors(include_url=False, include_input=False))
        fields = {fault["veld"] or "inhoud": fault["melding"] for fault in faults}
        raise InvalidInput(code, "Uw verzoek klopt niet.", fields=fields) from None
