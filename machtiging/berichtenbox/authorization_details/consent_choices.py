"""The access to a box that a person can consent to: acts, machtiging, assurance."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.authorization_details.rules import build_authorization_details, parse_machtiging_id
from machtiging.berichtenbox.authorization_details.several import find_set_refusal, narrow_to_visible
from machtiging.crypto import secrets
from machtiging.delegation.authority.machtiging_set import MachtigingSet, read_machtiging_set
from machtiging.delegation.authority.queries import list_authorities_of_person, load_authority, load_authority_for_share
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

# The keys of the own box and of several machtigingen on the consent page. One machtiging has its id.
OWN_BOX_KEY, SEVERAL_KEY = "eigen", "meerdere"


async def list_consent_choices(
    session: AsyncSession, visitor: Visitor, requested: RequestedAuthorizationDetails, *, at: datetime
) -> list[ConsentChoice]:
    """List the own box, and each machtiging that this login can use.

    Acts that change a box are for the own box only.
    """
    own_box = _build_own_choice(visitor, requested)
    if requested.own_app_only:
        return [own_box]
    usable = [
        authority
        for authority in await list_authorities_of_person(session, visitor.person_id, at=at)
        if authority.refusal(visitor.person_id, visitor.organisation_kvk, visitor.assurance, at) is None
        and (requested.acts is None or requested.acts & authority.acts)
    ]
    return [own_box, *(_build_choice(authority, visitor, requested) for authority in usable)]


async def resolve_consent_choice(
    session: AsyncSession,
    visitor: Visitor,
    requested: RequestedAuthorizationDetails,
    *,
    key: str | None,
    lock: bool,
    at: datetime,
) -> ConsentChoice:
    """Resolve the access that this person can consent to, within the machtiging.

    The machtiging is the one that the client named, or the one of `key`. `lock`: read it FOR SHARE, for a caller that
    writes the consent in this transaction.

    Raises OAuthRefusal `invalid_authorization_details`, with one text for an unknown machtiging, somebody else's and
    one not in force. Raises OAuthRefusal `unmet_authentication_requirements` below the minimum of the organisation.
    """
    if requested.representation_set is not None:
        return await _resolve_several(session, visitor, requested, key=key, at=at)
    machtiging_id = requested.machtiging_id
    if machtiging_id is None and key not in (None, OWN_BOX_KEY):
        if requested.own_app_only:
            refuse_authorization_details("handeling_alleen_eigen_box")
        machtiging_id = parse_machtiging_id(key)
    elif machtiging_id is not None and key not in (None, str(machtiging_id)):
        refuse_authorization_details("details_andere_machtiging")
    if machtiging_id is None:
        return _build_own_choice(visitor, requested)
    load = load_authority_for_share if lock else load_authority
    authority = _require_authority_in_force(await load(session, machtiging_id, at=at), visitor, at)
    return _build_choice(authority, visitor, requested)


async def _resolve_several(
    session: AsyncSession, visitor: Visitor, requested: RequestedAuthorizationDetails, *, key: str | None, at: datetime
) -> ConsentChoice:
    """Resolve several machtigingen. Nothing is locked: each use of a token asks the authority again.

    Raises OAuthRefusal when this login can use none of them now, or when `key` is of others than now.
    """
    several = read_machtiging_set(requested.representation_set or {})
    login = visitor.person_id, visitor.organisation_kvk, visitor.assurance
    refusal = await find_set_refusal(session, several, *login, at=at)
    if refusal == LEVEL_TOO_LOW:
        raise OAuthRefusal(OAuthErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS, LEVEL_TOO_LOW)
    if refusal is not None:
        refuse_authorization_details(refusal)
    several = await narrow_to_visible(session, several, visitor, at=at)
    own_key = _build_several_key(several)
    if key not in (None, own_key):
        refuse_authorization_details("details_andere_machtiging")
    details = build_authorization_details(None, requested.acts or GRANTABLE_ACTS, several)
    return ConsentChoice(None, details, frozenset(), visitor.assurance, own_key, is_several=True)


def _build_several_key(several: MachtigingSet) -> str:
    """Build the key of these machtigingen, with a digest of their ids.

    The consent is for those that the page named, or there is none.
    """
    if several.ids is None:
        return SEVERAL_KEY
    return f"{SEVERAL_KEY}-{secrets.sha256_digest(','.join(sorted(map(str, several.ids)))).hex()}"


def _build_own_choice(visitor: Visitor, requested: RequestedAuthorizationDetails) -> ConsentChoice:
    details = build_authorization_details(None, requested.acts or GRANTABLE_ACTS)
    return ConsentChoice(None, details, frozenset(), visitor.assurance, OWN_BOX_KEY)


def _build_choice(authority: Authority, visitor: Visitor, requested: RequestedAuthorizationDetails) -> ConsentChoice:
    """Build the choice of a machtiging. Raises OAuthRefusal when no act is left."""
    requested_acts = requested.acts or authority.acts
    acts = requested_acts & authority.acts
    if not acts:
        refuse_authorization_details("geen_handeling_over")
    return ConsentChoice(
        authority,
        build_authorization_details(authority.machtiging_id, acts),
        requested_acts - acts,
        authority.assurance(visitor.assurance),
        str(authority.machtiging_id),
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
