"""Introspection (RFC 7662) and revocation (RFC 7009), answered from what stands in the database at this instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from machtiging.access import tokens
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import NotAuthenticated
from machtiging.kernel.ids import GrantId, TokenId
from machtiging.oauth import queries
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, Client
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.errors import malformed
from machtiging.oauth.issue import ACCESS_TOKEN
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.server import Asking, Exchange, Server

INTROSPECTION, REVOCATION = "introspection", "revocation"
# What a token says that whoever may ask is told again; `iss`, `aud` and so on come from the signed token itself.
_TOLD = ("iss", "sub", "sub_id_type", "aud", "exp", "iat", "nbf", "jti", "client_id", "azp", "scope", "acr")
_TOLD_TOO = ("auth_time", "represents", "authorization_details", "oin")


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


async def token_behind(exchange: Asking | Exchange, text: str) -> Token | None:
    """The token, or None when it is not a valid and unexpired access token of ours."""
    issuer, at = exchange.issuer, exchange.at
    try:
        claims = issuer.keyring.verify_own_jwt(
            text, typ=ACCESS_TOKEN, issuer=issuer.url, audience=issuer.audience, at=at
        )
        jti = UUID(claims["jti"])
    except (NotAuthenticated, KeyError, ValueError, AttributeError):
        return None
    found = await queries.token_standing(exchange.work, TokenId(jti), at)
    if found is None or found[0].facts.client_id != claims.get("client_id"):
        return None
    return Token(claims, *found)


def _token_in(request: WireRequest) -> str:
    if "token" not in request.form:
        raise malformed("token_ontbreekt", "The parameter token is missing.")
    return request.form["token"]


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """For authenticated clients: their own tokens, and every token when registered as a resource server."""

    CLIENT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server

    def check_params(self, request: WireRequest, client: Client) -> None:
        """A token is needed; any hint will do, also one that we do not know (RFC 7662 2.1)."""
        _token_in(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        """The token, live."""
        return wait(token_behind(self.server.exchange, token_string))

    def check_permission(self, token: Token, client: Client, request: WireRequest) -> bool:
        """Whether this client may know: to all others every token is inactive."""
        return client.resource_server or token.check_client(client)

    def introspect_token(self, token: Token) -> dict[str, Any]:
        """The answer for a live token (RFC 7662 2.2, RFC 9396 9.2)."""
        told = {name: token.claims[name] for name in (*_TOLD, *_TOLD_TOO) if name in token.claims}
        return {"active": True, "token_type": "Bearer", **told}


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """The owning client gives a token back. The grant goes with it: it was good for that one token only."""

    CLIENT_AUTH_METHODS = (PRIVATE_KEY_JWT, PUBLIC)
    server: Server

    def check_params(self, request: WireRequest, client: Client) -> None:
        """A token is needed; a hint that we do not know is ignored (RFC 7009 2.1)."""
        _token_in(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        """The token, or None: then there is nothing to revoke, and the answer is 200 (RFC 7009 2.2)."""
        return wait(token_behind(self.server.exchange, token_string))

    def revoke_token(self, token: Token, request: WireRequest) -> None:
        """Close it, and end its grant."""
        wait(_revoke(self.server.exchange, token))


async def _revoke(exchange: Exchange, token: Token) -> None:
    facts, session, at = token.state.facts, exchange.session, exchange.at
    # The grant first, as everywhere: two that end the same things never wait for each other.
    if facts.grant_id is not None:
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
