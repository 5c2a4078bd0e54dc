"""Introspection (RFC 7662) and revocation (RFC 7009), answered from what stands in the database at this instant."""

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
# What a token says that whoever may ask is told again; `iss`, `aud` and so on come from the signed token itself.
_TOLD = (
    *("iss", "sub", "sub_id_type", "aud", "exp", "iat", "nbf", "jti", "client_id", "azp", "scope", "acr"),
    *("auth_time", "cnf", "represents", "act", "authorization_details", "oin"),
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of ours, by its claims and by what became of it. `check_client` and the `is_` methods are Authlib's."""

    claims: dict[str, Any]
    state: tokens.TokenState
    live: bool

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to this client."""
        return self.state.facts.client_id == client.client_id

    def is_expired(self) -> bool:
        """Covered by `is_revoked`, which asks everything at once."""
        return False

    def is_revoked(self) -> bool:
        """Whether it opens nothing: expired, revoked, its grant ended, its machtiging not in force."""
        return not self.live

    def told(self) -> dict[str, Any]:
        """What introspection tells of it while it is live (RFC 7662 2.2, RFC 9396 9.2)."""
        told = {name: self.claims[name] for name in _TOLD if name in self.claims}
        return {"active": True, "token_type": token_type_of(self.state.facts), **told}


class Says(NamedTuple):
    """What an access token of ours says of itself, before anybody asked what became of it."""

    claims: dict[str, Any]
    jti: TokenId
    audience: str


def says(issuer: Issuer, text: str, audience: str | None, at: datetime) -> Says | None:
    """What it says; None when it is no valid and unexpired access token of ours for this audience (None: for any)."""
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
    """The token, when what it says fits what was `found` of it (`queries.token_standing`)."""
    if found is None or not claims_match_row(said.claims, found[0].facts):
        return None
    return Token(said.claims, *found) if (found[0].facts.audience or issuer.audience) == said.audience else None


async def token_behind(exchange: Asking | Exchange, text: str, audience: str | None = None) -> Token | None:
    """The token, or None when it is not a valid and unexpired access token of ours for our API, or this `audience`."""
    return await _standing(exchange, says(exchange.issuer, text, audience or exchange.issuer.audience, exchange.at))


async def token_for_anybody(exchange: Asking | Exchange, text: str) -> Token | None:
    """As `token_behind`, whichever resource it is for: to introspect, revoke or exchange it, never to open a door."""
    return await _standing(exchange, says(exchange.issuer, text, None, exchange.at))


async def _standing(exchange: Asking | Exchange, said: Says | None) -> Token | None:
    if said is None:
        return None
    return token_of(exchange.issuer, said, await queries.token_standing(exchange.work, said.jti, exchange.at))


def may_know(client: Client, token: Token, issuer: Issuer) -> bool:
    """Whether a client is told of this token: who it was issued to, or who guards what it is for."""
    return guards(client, token, issuer) or token.check_client(client)


def guards(client: Client, token: Token, issuer: Issuer) -> bool:
    """Whether this client is the resource server that the token is for: of its own resource, or else of our API."""
    return client.resource_server and token.claims["aud"] == (client.resource or issuer.audience)


def _token_in(request: WireRequest) -> str:
    if "token" not in request.form:
        raise malformed("token_ontbreekt", "The parameter token is missing.")
    return request.form["token"]


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """For authenticated clients: their own tokens, and those for the resource that they guard."""

    CLIENT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server

    def check_params(self, request: WireRequest, client: Client) -> None:
        """A token is needed; any hint will do, also one that we do not know (RFC 7662 2.1)."""
        _token_in(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | Kept | None:
        """The token, live."""
        return wait(_either(self.server.exchange, token_string))

    def check_permission(self, token: Token | Kept, client: Client, request: WireRequest) -> bool:
        """Whether this client may know: to all others every token is inactive."""
        if isinstance(token, Kept):
            return token.check_client(client)
        return may_know(client, token, self.server.exchange.issuer)

    def introspect_token(self, token: Token | Kept) -> dict[str, Any]:
        """The answer for a live token."""
        return token.told()


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """The owning client gives a token back. The grant goes with it (RFC 7009 2.1 leaves that open)."""

    CLIENT_AUTH_METHODS = (PRIVATE_KEY_JWT, PUBLIC)
    server: Server

    def check_params(self, request: WireRequest, client: Client) -> None:
        """A token is needed; a hint that we do not know is ignored (RFC 7009 2.1)."""
        _token_in(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | Kept | None:
        """The token, or None: then there is nothing to revoke, and the answer is 200 (RFC 7009 2.2)."""
        return wait(_either(self.server.exchange, token_string))

    def revoke_token(self, token: Token | Kept, request: WireRequest) -> None:
        """Close it, and end its grant: both kinds of token hang on it, and so does everything exchanged for them."""
        if isinstance(token, Kept):
            wait(revoke_kept(self.server.exchange.session, token, at=self.server.exchange.at))
        else:
            wait(_revoke(self.server.exchange, token))


async def _either(exchange: Asking | Exchange, text: str) -> Token | Kept | None:
    """An access token has two dots, a refresh token none: whatever the hint says, one look is enough."""
    if "." in text:
        return await token_for_anybody(exchange, text)
    return await kept(exchange.work, text, at=exchange.at)


async def _revoke(exchange: Exchange, token: Token) -> None:
    facts, session, at = token.state.facts, exchange.session, exchange.at
    # The grant first, as everywhere: two that end the same things never wait for each other.
    # But the grant is another's when the token was exchanged: who did that may end no more than what he got.
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
    """A server that knows both endpoints. With an Asking it can only be asked."""
    server = Server(exchange)
    server.register_endpoint(Introspection)
    server.register_endpoint(Revocation)
    return server
