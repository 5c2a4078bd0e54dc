"""Read questions about the box from AuthZEN evaluations. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from machtiging.access.entitlements.rules import IdentifierKind, Purpose
from machtiging.delegation.rules import GRANTABLE_ACTS, Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.oin import KvkNumber
from machtiging.verification.authzen.json_objects import find_member, require_member
from machtiging.verification.authzen.rules import AuthzenEvaluation
from machtiging.verification.rules import PartyReference, PartyType

REPRESENTED, PURPOSE, ACR = "vertegenwoordigde", "doel", "acr"
_PARTY_TYPES = {"gemachtigde": PartyType.PSEUDONYM, "bsn": PartyType.BSN, "organisatie": PartyType.KVK}
_PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MAX_CODE_LENGTH = 200


class BoxResource(StrEnum):
    """The types of resources: a letter, a dienst, or the box of a person."""

    BERICHT = "bericht"
    DIENST = "dienst"
    BERICHTENBOX = "berichtenbox"


@dataclass(frozen=True, slots=True)
class BoxQuestion:
    """One question about access to the box.

    `represented`: named in the context, or the owner of the box; None for a letter, whose owner it is. `level`: that
    of the login, which the enforcement point tells. Without it the login is of level laag.
    """

    subject: PartyReference
    resource: BoxResource
    resource_id: str
    represented: PartyReference | None
    act: Act
    purpose: Purpose
    level: Assurance

    @property
    def identifiers(self) -> frozenset[IdentifierKind]:
        """The kinds of identifiers in the question. The agency needs an entitlement for each."""
        return frozenset(one.type.identifier for one in self.references)

    @property
    def is_open(self) -> bool:
        """True for a search, which names no resource."""
        return not self.resource_id

    @property
    def references(self) -> tuple[PartyReference, ...]:
        """The parties that the question names."""
        return (self.subject,) if self.represented is None else (self.subject, self.represented)

    @property
    def bericht_id(self) -> UUID | None:
        """The id of the letter. Only the canonical form counts: one letter has one name."""
        if self.resource is not BoxResource.BERICHT:
            return None
        try:
            found = UUID(self.resource_id)
        except ValueError:
            return None
        return found if str(found) == self.resource_id else None


def read_box_question(evaluation: AuthzenEvaluation) -> BoxQuestion | None:
    """Read a question; None for an unknown type, action or pseudonym, which is a denial.

    Raises InvalidInput: `authzen_veld_ontbreekt` without `context.vertegenwoordigde` for a dienst,
    `authzen_veld_ongeldig`, `bsn_ongeldig` or `kvk_ongeldig`.
    """
    context, resource = evaluation.context, evaluation.resource
    purpose, represented = _read_purpose(context), _read_represented(evaluation)
    subject = _read_party(evaluation.subject.type, evaluation.subject.id)
    is_known = evaluation.action.name in GRANTABLE_ACTS and resource.type in list(BoxResource)
    if not is_known or subject is None or len(resource.id) > _MAX_CODE_LENGTH:
        return None
    if not resource.id or (represented is None and resource.type != BoxResource.BERICHT):
        return None
    return BoxQuestion(
        subject=subject,
        resource=BoxResource(resource.type),
        resource_id=resource.id,
        represented=represented,
        act=Act(evaluation.action.name),
        purpose=purpose,
        level=_read_level(context),
    )


def read_represented(context: Mapping[str, Any]) -> PartyReference | None:
    """Read the person that a context names; None for an unknown type. Raises InvalidInput as `read_box_question`."""
    named, place = require_member(context, REPRESENTED, dict, "context."), f"context.{REPRESENTED}."
    return _read_party(require_member(named, "type", str, place), require_member(named, "id", str, place))


def _read_represented(evaluation: AuthzenEvaluation) -> PartyReference | None:
    if evaluation.resource.type == BoxResource.DIENST:
        return read_represented(evaluation.context)
    if evaluation.resource.type == BoxResource.BERICHTENBOX:
        return _read_party("gemachtigde", evaluation.resource.id)
    return None


def _read_party(type_: str, number: str) -> PartyReference | None:
    kind = _PARTY_TYPES.get(type_)
    if kind is None:
        return None
    if kind is PartyType.BSN:
        return PartyReference(kind, Bsn(number))
    if kind is PartyType.KVK:
        return PartyReference(kind, KvkNumber(number).value)
    return PartyReference(kind, number) if _PSEUDONYM.fullmatch(number) else None


def _read_purpose(context: Mapping[str, Any]) -> Purpose:
    name = find_member(context, PURPOSE, str, "context.")
    try:
        return Purpose.ACCESS_CONTROL if name is None else Purpose(name)
    except ValueError:
        params = {"field": f"context.{PURPOSE}", "kind": " | ".join(Purpose)}
        raise InvalidInput("authzen_veld_ongeldig", params=params) from None


def _read_level(context: Mapping[str, Any]) -> Assurance:
    """Read the level of the login. One that we do not know proves nothing more than the lowest."""
    acr = find_member(context, ACR, str, "context.")
    try:
        return Assurance.LOW if acr is None else Assurance.from_acr(acr)
    except ValueError:
        return Assurance.LOW
