"""Checks of a grant that all token requests share.

It is in force, it has its organisation, and one token never exceeds it.
"""

from __future__ import annotations

from datetime import datetime

from machtiging.access_tokens.representation import OTHER_ORGANISATION, UNUSABLE, Representation
from machtiging.oauth.authorization_details.parsing import narrow_authorization_details
from machtiging.oauth.authorization_details.representations import load_representation
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.server import RequestContext
from machtiging.oauth.queries import Grant, load_set_refusal
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget, narrow_target
from machtiging.oauth.token_issuance import ActiveGrant, TokenSpec


def invalid_grant_error(code: str) -> OAuthRefusal:
    """Build an `invalid_grant` refusal: one text for every cause.

    The causes: unknown, expired, used, another client's, wrong verifier, machtiging not in force.
    """
    return OAuthRefusal(OAuthErrorCode.INVALID_GRANT, code)


def build_token_spec(
    issuer: Issuer, request: OAuthRequest, active_grant: ActiveGrant, target: ResourceTarget
) -> TokenSpec:
    """Build the token spec from a token request, within the grant.

    Raises OAuthRefusal `invalid_target`, `invalid_authorization_details`.
    """
    form = request.form
    target = narrow_target(target, form.get("resource"))
    details = narrow_authorization_details(
        issuer.details_handler, active_grant.grant.authorization_details, form.get("authorization_details")
    )
    return TokenSpec(target, details, binding=request.binding)


async def load_active_grant(context: RequestContext, grant: Grant) -> ActiveGrant:
    """Load the grant's representation and check that it is in force. Raises OAuthRefusal `invalid_grant`."""
    session, handler = context.session, context.issuer.details_handler
    found = await load_representation(session, handler, grant.representation_key)
    return check_grant_in_force(grant, found, await load_set_refusal(session, handler, grant, context.at), context.at)


def check_grant_in_force(
    grant: Grant, representation: Representation | None, set_refusal: str | None, at: datetime
) -> ActiveGrant:
    """Check the grant against its loaded representation. Raises OAuthRefusal `invalid_grant`.

    `set_refusal`: of a grant for several, the result of `load_set_refusal`.
    """
    if set_refusal is not None:
        raise invalid_grant_error(set_refusal)
    if grant.machtiging_id is None:
        return ActiveGrant(grant, None)
    if (refusal := representation_refusal(grant, representation, at)) is not None:
        raise invalid_grant_error(refusal)
    return ActiveGrant(grant, representation)


def representation_refusal(grant: Grant, representation: Representation | None, at: datetime) -> str | None:
    """Return the reason code if the grant's person cannot act for another now."""
    if representation is None:
        return UNUSABLE
    return representation.refusal(grant.person_id, grant.organisation_kvk, grant.assurance, at)


def check_grant_organisation(grant: Grant, organisation_kvk: str | None) -> None:
    """Check that a code or refresh token has its grant's organisation. Raises OAuthRefusal `invalid_grant`."""
    if organisation_kvk != grant.organisation_kvk:
        raise invalid_grant_error(OTHER_ORGANISATION)
