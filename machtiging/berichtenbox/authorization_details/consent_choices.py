"""The access to a box that a person can consent to: acts, machtiging, assurance."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.authorization_details.rules import build_authorization_details
from machtiging.delegation.authority.queries import load_authority, load_authority_for_share
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.authority.stop_reasons import LEVEL_TOO_LOW
from machtiging.delegation.rules import GRANTABLE_ACTS, NOT_THE_HOLDER
from machtiging.identity.session import Visitor
from machtiging.oauth.authorization_details.handler import (
    ConsentChoice,
    RequestedAuthorizationDetails,
    refuse_authorization_details,
)
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal


async def resolve_consent_choice(
    session: AsyncSession, visitor: Visitor, requested: RequestedAuthorizationDetails, *, lock: bool, at: datetime
) -> ConsentChoice:
    """Resolve the access that this person can consent to, within the machtiging.

    `lock`: read the machtiging FOR SHARE, for a caller that writes the consent in this transaction.

    Raises OAuthRefusal `invalid_authorization_details`, with one text for an unknown machtiging, somebody else's and
    one not in force. Raises OAuthRefusal `unmet_authentication_requirements` below the minimum of the organisation.
    """
    if requested.machtiging_id is None:
        details = build_authorization_details(None, requested.acts or GRANTABLE_ACTS)
        return ConsentChoice(None, details, frozenset(), visitor.assurance)
    load = load_authority_for_share if lock else load_authority
    authority = _require_authority_in_force(await load(session, requested.machtiging_id, at=at), visitor, at)
    requested_acts = requested.acts or authority.acts
    acts = requested_acts & authority.acts
    if not acts:
        refuse_authorization_details("geen_handeling_over")
    return ConsentChoice(
        authority,
        build_authorization_details(authority.machtiging_id, acts),
        requested_acts - acts,
        authority.assurance(visitor.assurance),
    )


def _require_authority_in_force(authority: Authority | None, visitor: Visitor, at: datetime) -> Authority:
    if authority is None:
        refuse_authorization_details("machtiging_onbekend")
    refusal = authority.holder_refusal(visitor.person_id, visitor.organisation_kvk)
    if refusal is not None:
        refuse_authorization_details("machtiging_van_ander" if refusal == NOT_THE_HOLDER else refusal)
    if authority.stop_reason(at) is not None:
        refuse_authorization_details("machtiging_geldt_niet")
    if not authority.meets_minimum(visitor.assurance):
        raise OAuthRefusal(OAuthErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS, LEVEL_TOO_LOW)
    return authority
