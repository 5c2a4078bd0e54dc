"""Resolve the access a person can grant to a client: acts, machtiging and assurance level."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.queries import load_machtiging as machtiging_with
from machtiging.delegation.queries import load_machtiging_for_share
from machtiging.delegation.rules import (
    GRANTABLE_ACTS,
    NOT_THE_HOLDER,
    Act,
    EffectiveState,
    Machtiging,
    effective_state,
    holder_refusal,
)
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance, lowest_assurance
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.openid.authentication_request import load_authentication_request
from machtiging.oauth.openid.step_up import satisfies_acr
from machtiging.oauth.rules import (
    RequestedAuthorizationDetails,
    build_authorization_details,
    parse_authorization_details,
    refuse_authorization_details,
)


@dataclass(frozen=True, slots=True)
class GrantableAccess:
    """The access offered on the consent page.

    `left_out`: acts that the client requested and the machtiging does not give.
    """

    machtiging: Machtiging | None
    acts: frozenset[Act]
    left_out: frozenset[Act]
    details: list[dict[str, Any]]
    assurance: Assurance


async def resolve_grantable_access(
    session: AsyncSession, visitor: Visitor, parameters: dict[str, Any], *, lock: bool = False, at: datetime
) -> GrantableAccess:
    """Resolve the access this person can grant. Narrow the requested acts to the machtiging.

    `lock`: read the machtiging FOR SHARE, for a caller that writes the consent in this transaction.

    Raises OAuthRefusal `invalid_authorization_details` (one text for an unknown machtiging, somebody else's and one not
    in force) and `unmet_authentication_requirements`.
    """
    wanted = parse_authorization_details(parameters.get("authorization_details"))
    agreement = await _narrow_to_machtiging(session, visitor, wanted, at, lock=lock)
    _require_acr(agreement.assurance, parameters)
    return agreement


async def _narrow_to_machtiging(
    session: AsyncSession,
    visitor: Visitor,
    requested: RequestedAuthorizationDetails | None,
    at: datetime,
    *,
    lock: bool,
) -> GrantableAccess:
    if requested is None:
        return GrantableAccess(None, frozenset(), frozenset(), [], visitor.assurance)
    if requested.machtiging_id is None:
        acts = requested.acts or GRANTABLE_ACTS
        return GrantableAccess(None, acts, frozenset(), build_authorization_details(None, acts), visitor.assurance)
    load = load_machtiging_for_share if lock else machtiging_with
    machtiging = _require_machtiging_in_force(await load(session, requested.machtiging_id), visitor, at)
    requested_acts = requested.acts or machtiging.scope.acts
    acts = requested_acts & machtiging.scope.acts
    if not acts:
        refuse_authorization_details("geen_handeling_over")
    levels = [visitor.assurance, machtiging.assurance]
    if machtiging.accepted_assurance is not None:
        levels.append(machtiging.accepted_assurance)
    return GrantableAccess(
        machtiging,
        acts,
        requested_acts - acts,
        build_authorization_details(machtiging.id, acts),
        lowest_assurance(*levels),
    )


def _require_machtiging_in_force(machtiging: Machtiging | None, visitor: Visitor, at: datetime) -> Machtiging:
    if machtiging is None:
        refuse_authorization_details("machtiging_onbekend")
    refusal = holder_refusal(machtiging, visitor.person_id, visitor.organisation_kvk)
    if refusal is not None:
        refuse_authorization_details("machtiging_van_ander" if refusal == NOT_THE_HOLDER else refusal)
    if effective_state(machtiging, at) is not EffectiveState.IN_FORCE:
        refuse_authorization_details("machtiging_geldt_niet")
    return machtiging


def _require_acr(assurance: Assurance, parameters: dict[str, Any]) -> None:
    """Require one value of every requested list of levels.

    A token never states a lower level than was requested (OIDC-NLGOV 5.2.2). Raises OAuthRefusal.
    """
    acr_values = parameters.get("acr_values")
    acr_groups = [] if acr_values is None else [acr_values.split()]
    if not satisfies_acr(assurance, [*acr_groups, *load_authentication_request(parameters).levels]):
        raise OAuthRefusal(OAuthErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS, "niveau_te_laag")
