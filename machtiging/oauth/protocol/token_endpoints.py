"""Introspection (RFC 7662) and revocation (RFC 7009), from the current state in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from machtiging.access import tokens
from machtiging.access.proof.binding import token_type_of
from machtiging.access.proof.token_claims import claims_match_row
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import NotAuthenticated
from machtiging.kernel.ids import GrantId, TokenId
from machtiging.oauth import queries
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, Client
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.errors import malformed
from machtiging.oauth.issue import ACCESS_TOKEN
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.server import Asking, Exchange, Server
from machtiging.oauth.refresh.give_up import revoke_kept
from machtiging.oauth.refresh.look import Kept, kept

INTROSPECTION, REVOCATION = "introspection", "revocation"
# Claims of the token in its introspection response. All come from the signed token itself.
_TOLD = (
    *("iss", "sub", "sub_id_type", "aud", "exp", "iat", "nbf", "jti", "client_id", "azp", "scope", "acr"),
    *("auth_time", "cnf", "represents", "act", "authorization_details", "oin"),
)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token of ours: its claims and its current state. Authlib calls `check_client` and the `is_` methods."""

    claims: dict[str, Any]
    state: tokens.TokenState
    live: bool

    def check_client(self, client: Client) -> bool:
        """Check that it was issued to this client."""
        return self.state.facts.client_id == client.client_id

    def is_expired(self) -> bool:
        """Return False: `is_revoked` covers expiry too."""
        return False

    def is_revoked(self) -> bool:
        """Check that it is inactive: expired, revoked, grant ended or machtiging not in force."""
        return not self.live

    def told(self) -> dict[str, Any]:
        """Build the introspection response of an active token (RFC 7662 2.2, RFC 9396 9.2)."""
        told = {name: self.claims[name] for name in _TOLD if name in self.claims}
        return {"active": True, "token_type": token_type_of(self.state.facts), **told}


class Says(NamedTuple):
    """The verified claims of an access token of ours, before its state is looked up."""

    claims: dict[str, Any]
    jti: TokenId
    audience: str


def says(issuer: Issuer, text: str, audience: str | None, at: datetime) -> Says | None:
    """Verify an access token of ours and return its claims; None when invalid or expired.

    None also for another `audience`; with `audience` None any is accepted.
    """
    keyring, ours = issuer.keyring, issuer.url
    try:
        if audience is None:
            claims = keyring.verify_own_jwt_for_anybody(text, typ=ACCESS_TOKEN, issuer=ours, at=at)
        else:
            claims = keyring.verify_own_jwt(text, typ=ACCESS_TOKEN, issuer=ours, audience=audience, at=at)
        return Says(claims, TokenId(UUID(claims["jti"])), audience or claims["aud"])
    except (NotAuthenticated, KeyError, ValueError, TypeError, AttributeError):
        return None


def token_of(issuer: Issuer, said: Says, found: tuple[tokens.TokenState, bool] | None) -> Token | None:
    """Build the token view, if the claims match the state `found` (`queries.find_token_status`)."""
    if found is None or not claims_match_row(said.claims, found[0].facts):
        return None
    return Token(said.claims, *found) if (found[0].facts.audience or issuer.audience) == said.audience else None


async def token_behind(exchange: Asking | Exchange, text: str, audience: str | None = None) -> Token | None:
    """Load a valid access token for our API, or for this `audience`. None for any other."""
    return await _standing(exchange, says(exchange.issuer, text, audience or exchange.issuer.audience, exchange.at))


async def token_for_anybody(exchange: Asking | Exchange, text: str) -> Token | None:
    """Load a valid access token for any audience.

    Use it only to introspect, revoke or exchange the token, never for access.
    """
    return await _standing(exchange, says(exchange.issuer, text, None, exchange.at))


async def _standing(exchange: Asking | Exchange, said: Says | None) -> Token | None:
    if said is None:
        return None
    return token_of(exchange.issuer, said, await queries.token_standing(exchange.work, said.jti, exchange.at))


def may_know(client: Client, token: Token, issuer: Issuer) -> bool:
    """Check that a client may introspect this token: its own, or one for its resource."""
    return guards(client, token, issuer) or token.check_client(client)


def guards(client: Client, token: Token, issuer: Issuer) -> bool:
    """Check that this client is the resource server of the token's audience.

    That is its own resource, or else our API.
    """
    return client.resource_server and token.claims["aud"] == (client.resource or issuer.audience)


def _token_in(request: WireRequest) -> str:
    if "token" not in request.form:
        raise malformed("token_ontbreekt", "The parameter token is missing.")
    return request.form["token"]


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """Introspection for authenticated clients: their own tokens, and those for their resource."""

    CLIENT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server

    def check_params(self, request: WireRequest, client: Client) -> None:
        """Require a token. Any hint is accepted, also an unknown one (RFC 7662 2.1)."""
        _token_in(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | Kept | None:
        """Load the token with its current state."""
        return wait(_either(self.server.exchange, token_string))

    def check_permission(self, token: Token | Kept, client: Client, request: WireRequest) -> bool:
        """Check that this client may introspect the token: for all others it is inactive."""
        if isinstance(token, Kept):
            return token.check_client(client)
        return may_know(client, token, self.server.exchange.issuer)

    def introspect_token(self, token: Token | Kept) -> dict[str, Any]:
        """Build the response for an active token."""
        return token.told()


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Revocation by the client that owns the token. It ends the grant too (RFC 7009 2.1 leaves that open)."""

    CLIENT_AUTH_METHODS = (PRIVATE_KEY_JWT, PUBLIC)
    server: Server

    def check_params(self, request: WireRequest, client: Client) -> None:
        """Require a token. An unknown hint is ignored (RFC 7009 2.1)."""
        _token_in(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | Kept | None:
        """Load the token; None when there is nothing to revoke. The response is then 200 (RFC 7009 2.2)."""
        return wait(_either(self.server.exchange, token_string))

    def revoke_token(self, token: Token | Kept, request: WireRequest) -> None:
        """Revoke the token and end its grant, with its other tokens and the exchanged ones."""
        if isinstance(token, Kept):
            wait(revoke_kept(self.server.exchange.session, token, at=self.server.exchange.at))
        else:
            wait(_revoke(self.server.exchange, token))


async def _either(exchange: Asking | Exchange, text: str) -> Token | Kept | None:
    """Find an access token (with two dots) or a refresh token (without), whatever the hint."""
    if "." in text:
        return await token_for_anybody(exchange, text)
    return await kept(exchange.work, text, at=exchange.at)


async def _revoke(exchange: Exchange, token: Token) -> None:
    facts, session, at = token.state.facts, exchange.session, exchange.at
    # Lock order: the grant first, as everywhere, against deadlocks.
    # The grant of an exchanged token is another client's: the exchanging client may revoke only its own token.
    if facts.grant_id is not None and facts.parent_id is None:
        await end_grant(session, GrantId(facts.grant_id), Ending("token_ingetrokken"), at=at)
    await tokens.revoke_one(session, facts.id, at)
    held = token.state.machtiging
    if token.live:
        line = Line(
            act=JournalAct.TOKEN_INGETROKKEN,
            outcome=Outcome.DONE,
            reason="door_client",
            client_id=facts.client_id,
            for_person_id=facts.person_id if held is None else held.vertegenwoordigde_id,
            machtiging_id=facts.machtiging_id,
            object_kind="token",
            object_id=str(facts.id),
        )
        await record(session, line, at=at)


def endpoint_server(exchange: Exchange | Asking) -> Server:
    """Build a server with both endpoints. A ReadContext allows only introspection."""
    server = Server(exchange)
    server.register_endpoint(Introspection)
    server.register_endpoint(Revocation)
    return server
