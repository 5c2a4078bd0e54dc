"""Resolve the access a person can grant to a client: acts, machtiging and assurance level."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.queries import lock_machtiging_shared
from machtiging.delegation.queries import machtiging as machtiging_with
from machtiging.delegation.rules import (
    ACTS_TO_GIVE,
    NOT_THE_HOLDER,
    Act,
    Machtiging,
    Standing,
    holder_refusal,
    standing,
)
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance, lowest
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.openid.login import reaches
from machtiging.oauth.openid.wishes import wishes_of
from machtiging.oauth.rules import Wanted, cannot_grant, details_of, wanted_from


@dataclass(frozen=True, slots=True)
class Agreement:
    """The access offered on the consent page.

    `left_out`: acts that the client requested and the machtiging does not give.
    """

    machtiging: Machtiging | None
    acts: frozenset[Act]
    left_out: frozenset[Act]
    details: list[dict[str, Any]]
    assurance: Assurance


async def agree(
    session: AsyncSession, visitor: Visitor, parameters: dict[str, Any], *, hold: bool = False, at: datetime
) -> Agreement:
    """Resolve the access this person can grant. Narrow the requested acts to the machtiging.

    `lock`: read the machtiging FOR SHARE, for a caller that writes the consent in this transaction.

    Raises OAuthRefusal `invalid_authorization_details` (one text for an unknown machtiging, somebody else's and one not
    in force) and `unmet_authentication_requirements`.
    """
    wanted = wanted_from(parameters.get("authorization_details"))
    agreement = await _weighed(session, visitor, wanted, at, hold=hold)
    _reaches(agreement.assurance, parameters)
    return agreement


async def _weighed(
    session: AsyncSession, visitor: Visitor, wanted: Wanted | None, at: datetime, *, hold: bool
) -> Agreement:
    if wanted is None:
        return Agreement(None, frozenset(), frozenset(), [], visitor.assurance)
    if wanted.machtiging_id is None:
        acts = wanted.acts or ACTS_TO_GIVE
        return Agreement(None, acts, frozenset(), details_of(None, acts), visitor.assurance)
    load = lock_machtiging_shared if hold else machtiging_with
    machtiging = _in_force(await load(session, wanted.machtiging_id), visitor, at)
    asked = wanted.acts or machtiging.scope.acts
    acts = asked & machtiging.scope.acts
    if not acts:
        cannot_grant("geen_handeling_over")
    levels = [visitor.assurance, machtiging.assurance]
    if machtiging.accepted_assurance is not None:
        levels.append(machtiging.accepted_assurance)
    return Agreement(machtiging, acts, asked - acts, details_of(machtiging.id, acts), lowest(*levels))


def _in_force(machtiging: Machtiging | None, visitor: Visitor, at: datetime) -> Machtiging:
    if machtiging is None:
        cannot_grant("machtiging_onbekend")
    refusal = holder_refusal(machtiging, visitor.person_id, visitor.organisation_kvk)
    if refusal is not None:
        cannot_grant("machtiging_van_ander" if refusal == NOT_THE_HOLDER else refusal)
    if standing(machtiging, at) is not Standing.IN_FORCE:
        cannot_grant("machtiging_geldt_niet")
    return machtiging


def _reaches(assurance: Assurance, parameters: dict[str, Any]) -> None:
    """Require one value of every requested list of levels.

    A token never states a lower level than was requested (OIDC-NLGOV 5.2.2). Raises OAuthRefusal.
    """
    acr_values = parameters.get("acr_values")
    asked = [] if acr_values is None else [acr_values.split()]
    if not reaches(assurance, [*asked, *wishes_of(parameters).levels]):
        raise OAuthRefusal(Wire.UNMET_AUTHENTICATION_REQUIREMENTS, "niveau_te_laag")
