"""Read the questions of a call. A question that cannot be read becomes a refusal of itself only."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from machtiging.crypto.secrets import generate_token
from machtiging.delegation.rules import Act
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import InvalidInput, Message, Refusal
from machtiging.kernel.oin import KvkNumber
from machtiging.verification.proof import compute_question_digest
from machtiging.verification.rules import PartyReference, PartyType, Verification
from machtiging.verification.schemas import PartijIn, VerificatieIn
from machtiging.web.validation import parse_body

_SALT_BITS = 128
_INVALID = "verificatie_ongeldig"


def read_question(item: dict[str, Any]) -> Verification | Refusal:
    """Read one question. Returns the refusal with its code if it is no question that can be answered."""
    try:
        return _read(parse_body(VerificatieIn, json.dumps(item).encode(), _INVALID), item)
    except Refusal as refusal:
        return refusal


def read_reference(item: dict[str, Any]) -> str | None:
    """Return the agency's own reference of an item, also of one that is refused."""
    found = item.get("kenmerk")
    return found if isinstance(found, str) and 0 < len(found) <= 100 and found.isprintable() else None


def _read(asked: VerificatieIn, item: dict[str, Any]) -> Verification:
    if asked.code is not None:
        if asked.machtigingId or asked.vertegenwoordigde or asked.gemachtigde or asked.op:
            raise InvalidInput("code_staat_alleen", fields={"code": Message("code_staat_alleen")})
    elif asked.machtigingId is None and (asked.vertegenwoordigde is None or asked.gemachtigde is None):
        raise InvalidInput("partijen_ontbreken", fields={"vertegenwoordigde": Message("partijen_ontbreken")})
    salt = generate_token(_SALT_BITS)
    return Verification(
        dienst=asked.dienst,
        purpose=asked.doel,
        salt=salt,
        digest=compute_question_digest(salt, item),
        vertegenwoordigde=_read_party(asked.vertegenwoordigde, "vertegenwoordigde"),
        gemachtigde=_read_party(asked.gemachtigde, "gemachtigde"),
        machtiging_id=_read_machtiging_id(asked.machtigingId),
        code=None if asked.code is None else asked.code.get_secret_value(),
        act=None if asked.handeling is None else Act(asked.handeling),
        as_of=asked.op,
        reference=asked.kenmerk,
    )


def _read_party(party: PartijIn | None, field: str) -> PartyReference | None:
    if party is None:
        return None
    value = party.waarde.get_secret_value()
    try:
        if party.type is PartyType.BSN:
            return PartyReference(party.type, Bsn(value))
        return PartyReference(party.type, KvkNumber(value).value if party.type is PartyType.KVK else value)
    except InvalidInput as error:
        raise InvalidInput(error.code, fields={f"{field}.waarde": Message(error.code)}) from None


def _read_machtiging_id(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        found = UUID(text)
    except ValueError:
        raise InvalidInput(_INVALID, fields={"machtigingId": Message("field.other")}) from None
    return found
