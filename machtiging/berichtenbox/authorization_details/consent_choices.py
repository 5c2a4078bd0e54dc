"""The access to a box that a person can consent to: acts, machtiging, assurance."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.representation import MachtigingRepresentation
from machtiging.berichtenbox.authorization_details.rules import build_authorization_details
from machtiging.delegation.queries import load_machtiging, load_machtiging_for_share
from machtiging.delegation.rules import (
    GRANTABLE_ACTS,
    NOT_THE_HOLDER,
    EffectiveState,
    Machtiging,
    effective_state,
    holder_refusal,
)
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import lowest_assurance
from machtiging.oauth.authorization_details.handler import (
    ConsentChoice,
    RequestedAuthorizationDetails,
    refuse_authorization_details,
)


async def resolve_consent_choice(
    session: AsyncSession, visitor: Visitor, requested: RequestedAuthorizationDetails, *, lock: bool, at: datetime
) -> ConsentChoice:
    """Resolve the access that this person can consent to, within the machtiging.

    `lock`: read the machtiging FOR SHARE, for a caller that writes the consent in this transaction.

    Raises OAuthRefusal `invalid_authorization_details`, with one text for an unknown machtiging, somebody else's and
    one not in force.
    """
    if requested.machtiging_id is None:
        details = build_authorization_details(None, requested.acts or GRANTABLE_ACTS)
        return ConsentChoice(None, details, frozenset(), visitor.assurance)
    load = load_machtiging_for_share if lock else load_machtiging
    machtiging = _require_machtiging_in_force(await load(session, requested.machtiging_id), visitor, at)
    requested_acts = requested.acts or machtiging.scope.acts
    acts = requested_acts & machtiging.scope.acts
    if not acts:
        refuse_authorization_details("geen_handeling_over")
    levels = [visitor.assurance, machtiging.assurance]
    if machtiging.accepted_assurance is not None:
        levels.append(machtiging.accepted_assurance)
    return ConsentChoice(
        MachtigingRepresentation(machtiging),
        build_authorization_details(machtiging.id, acts),
        requested_acts - acts,
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
