"""Introspection (RFC 7662) and revocation (RFC 7009), from the current state in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from authlib.oauth2.rfc7009 import RevocationEndpoint

from machtiging.access_tokens import token_revocation
from machtiging.access_tokens.bearer import AnyToken
from machtiging.access_tokens.representation import find_represented_person
from machtiging.access_tokens.sender_constraint.binding import token_type
from machtiging.access_tokens.sender_constraint.token_claims import claims_match_row
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.errors import NotAuthenticated
from machtiging.kernel.ids import GrantId, TokenId
from machtiging.oauth import queries
from machtiging.oauth.client import AUTH_METHOD_NONE, PRIVATE_KEY_JWT, Client
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.errors import OAuthRefusal, invalid_request_error
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.server import OAuthServer, RequestContext
from machtiging.oauth.refresh.lookup import RefreshTokenView, find_refresh_token
from machtiging.oauth.refresh.revocation import revoke_refresh_token
from machtiging.oauth.token_issuance import ACCESS_TOKEN_TYP

REVOCATION = "revocation"
# Claims of the token in its introspection response. All come from the signed token itself.
_INTROSPECTION_CLAIMS = (
    *("iss", "sub", "sub_id_type", "aud", "exp", "iat", "nbf", "jti", "client_id", "azp", "scope", "acr"),
    *("auth_time", "cnf", "represents", "act", "authorization_details", "oin"),
)


@dataclass(frozen=True, slots=True)
class AccessTokenView:
    """An access token of ours: its claims and its current state. Authlib calls `check_client`."""

    claims: dict[str, Any]
    state: AnyToken
    active: bool

    def check_client(self, client: Client) -> bool:
        """Check that it was issued to this client."""
        return self.state.facts.client_id == client.client_id

    def is_revoked(self) -> bool:
        """Check that it is inactive: expired, revoked, grant ended or representation not in force."""
        return not self.active

    def to_introspection_response(self) -> dict[str, Any]:
        """Build the introspection response of an active token (RFC 7662 2.2, RFC 9396 9.2)."""
        response_claims = {name: self.claims[name] for name in _INTROSPECTION_CLAIMS if name in self.claims}
        return {"active": True, "token_type": token_type(self.state.facts), **response_claims}


class AccessTokenClaims(NamedTuple):
    """The verified claims of an access token of ours, before its state is looked up."""

    claims: dict[str, Any]
    jti: TokenId
    audience: str


def verify_access_token(issuer: Issuer, token: str, audience: str | None, at: datetime) -> AccessTokenClaims | None:
    """Verify an access token of ours and return its claims; None when invalid or expired.

    None also for another `audience`; with `audience` None any is accepted.
    """
    keyring, ours = issuer.keyring, issuer.url
    try:
        if audience is None:
            claims = keyring.verify_own_jwt_any_audience(token, typ=ACCESS_TOKEN_TYP, issuer=ours, at=at)
        else:
            claims = keyring.verify_own_jwt(token, typ=ACCESS_TOKEN_TYP, issuer=ours, audience=audience, at=at)
        return AccessTokenClaims(claims, TokenId(UUID(claims["jti"])), audience or claims["aud"])
    except (NotAuthenticated, KeyError, ValueError, TypeError, AttributeError):
        return None


def build_token_view(
    issuer: Issuer, verified: AccessTokenClaims, found: tuple[AnyToken, bool] | None
) -> AccessTokenView | None:
    """Build the token view, if the claims match the state `found` (`queries.find_token_status`)."""
    if found is None or not claims_match_row(verified.claims, found[0].facts):
        return None
    return (
        AccessTokenView(verified.claims, *found)
        if (found[0].facts.audience or issuer.api_audience) == verified.audience
        else None
    )


async def load_own_api_token(
    context: RequestContext, token: str, audience: str | None = None
) -> AccessTokenView | None:
    """Load a valid access token for our API, or for this `audience`. None for any other."""
    return await _load_token_view(
        context, verify_access_token(context.issuer, token, audience or context.issuer.api_audience, context.at)
    )


async def load_token_for_any_audience(context: RequestContext, token: str) -> AccessTokenView | None:
    """Load a valid access token for any audience.

    Use it only to introspect, revoke or exchange the token, never for access.
    """
    return await _load_token_view(context, verify_access_token(context.issuer, token, None, context.at))


async def _load_token_view(context: RequestContext, verified: AccessTokenClaims | None) -> AccessTokenView | None:
    if verified is None:
        return None
    handler = context.issuer.details_handler
    found = await queries.find_token_status(context.executor, handler, verified.jti, context.at)
    return build_token_view(context.issuer, verified, found)


def may_introspect(client: Client, token: AccessTokenView | RefreshTokenView, issuer: Issuer) -> bool:
    """Check that a client may introspect this token: its own, or one for its resource."""
    return token.check_client(client) or (isinstance(token, AccessTokenView) and is_audience_of(client, token, issuer))


def is_audience_of(client: Client, token: AccessTokenView, issuer: Issuer) -> bool:
    """Check that this client is the resource server of the token's audience.

    That is its own resource, or else our API.
    """
    return client.is_resource_server and token.claims["aud"] == (client.resource or issuer.api_audience)


def missing_token_error() -> OAuthRefusal:
    """Build the refusal of a request without a token."""
    return invalid_request_error("token_ontbreekt")


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Revocation by the client that owns the token. It ends the grant too (RFC 7009 2.1 leaves that open)."""

    CLIENT_AUTH_METHODS = (PRIVATE_KEY_JWT, AUTH_METHOD_NONE)
    server: OAuthServer

    def check_params(self, request: OAuthRequest, client: Client) -> None:
        """Require a token. An unknown hint is ignored (RFC 7009 2.1)."""
        if "token" not in request.form:
            raise missing_token_error()

    def query_token(self, token_string: str, token_type_hint: str | None) -> AccessTokenView | RefreshTokenView | None:
        """Load the token; None when there is nothing to revoke. The response is then 200 (RFC 7009 2.2)."""
        return await_sync(_find_token(self.server.context, token_string))

    def revoke_token(self, token: AccessTokenView | RefreshTokenView, request: OAuthRequest) -> None:
        """Revoke the token and end its grant, with its other tokens and the exchanged ones."""
        if isinstance(token, RefreshTokenView):
            context = self.server.context
            await_sync(revoke_refresh_token(context.session, context.issuer.details_handler, token, at=context.at))
        else:
            await_sync(_revoke_access_token(self.server.context, token))


async def _find_token(context: RequestContext, token: str) -> AccessTokenView | RefreshTokenView | None:
    """Find an access token (with two dots) or a refresh token (without), whatever the hint."""
    if "." in token:
        return await load_token_for_any_audience(context, token)
    return await find_refresh_token(context.executor, context.issuer.details_handler, token, at=context.at)


async def _revoke_access_token(context: RequestContext, token: AccessTokenView) -> None:
    facts, session, at = token.state.facts, context.session, context.at
    # Lock order: the grant first, as everywhere, against deadlocks.
    # The grant of an exchanged token is another client's: the exchanging client may revoke only its own token.
    if facts.grant_id is not None and facts.parent_id is None:
        ending = GrantEnding("token_ingetrokken")
        await end_grant(session, context.issuer.details_handler, GrantId(facts.grant_id), ending, at=at)
    await token_revocation.revoke_token(session, facts.id, at)
    representation = token.state.representation
    if token.active:
        line = NewJournalLine(
            act=JournalAct.TOKEN_INGETROKKEN,
            outcome=JournalOutcome.DONE,
            reason="door_client",
            client_id=facts.client_id,
            for_person_id=find_represented_person(
                facts.person_id, representation, is_several=facts.representation_set is not None
            ),
            machtiging_id=facts.machtiging_id,
            on_behalf_of=None if representation is None else representation.organisation_id,
            object_kind="token",
            object_id=str(facts.id),
        )
        await record(session, line, at=at)


def build_revocation_server(context: RequestContext) -> OAuthServer:
    """Build a server with the revocation endpoint."""
    server = OAuthServer(context)
    server.register_endpoint(Revocation)
    return server
