"""Introspection in one statement: that the client is still who we know, its assertion used up, the token as it stands.

For a resource server that signs, about an access token: nearly all that is ever asked. Only a plain answer is given
here. Whatever goes another way (a client that changed, any refusal) has then done nothing, but for an assertion that
had been used before, and is asked again by `route` the long way, live.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select, true

from machtiging.kernel.ids import TokenId
from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.clients.known import Known, KnownClients
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.client_auth import taking
from machtiging.oauth.protocol.server import Asking, Server
from machtiging.oauth.protocol.token_endpoints import Introspection, Says, Token, says, token_of
from machtiging.storage.statement import Found, Statement

_asker = queries.STILL_THAT_CLIENT.cte("asker")
_assertion = taking(_asker)
_token = queries.TOKEN_STANDING.subquery("standing")
_AT_ONCE = Statement(
    select(_assertion.c.client_id.label("first_use"), *_token.c).select_from(
        _asker.outerjoin(_assertion, true()).outerjoin(_token, true())
    )
)
_NO_TOKEN = TokenId(UUID(int=0))


def fits(wire: WireRequest) -> bool:
    """Whether this is such a question. A refresh token has no dot."""
    return "client_assertion" in wire.form and "." in wire.form.get("token", "")


class ServerAtOnce(Server):
    """Knows its clients from before, and asks whether they are still so when it asks everything else."""

    def __init__(self, asking: Asking, clients: KnownClients, wire: WireRequest) -> None:
        super().__init__(asking)
        self._clients = clients
        self._used: Known | None = None
        self._row: Found | None = None
        self._said: Says | None = says(asking.issuer, wire.form["token"], None, asking.at)
        self.register_endpoint(IntrospectionAtOnce)

    def query_client(self, client_id: str) -> Client | None:
        """The client as it was last seen."""
        self._used = self._clients.get(client_id) or wait(self._looked(client_id))
        return None if self._used is None else self._used.client

    async def _looked(self, client_id: str) -> Known | None:
        seen = await queries.client_seen(self.exchange.work, client_id)
        if seen is None:
            return None
        known = Known(*seen)
        self._clients.keep(known)
        return known

    async def use_assertion(self, values: dict[str, Any]) -> bool:
        """Use it up and look at everything else, if the client is still as it was seen. Raises OAuthRefusal if not."""
        jti = _NO_TOKEN if self._said is None else self._said.jti
        seen = {"client_id": self._used.client.client_id, "version": self._used.version} if self._used else {}
        self._row = await _AT_ONCE.one(self.exchange.work, {**values, **seen, "jti": jti})
        if self._row is None:
            raise OAuthRefusal(Wire.INVALID_CLIENT, "niet_ineens")
        return self._row["first_use"] is not None

    def found(self) -> Token | None:
        """The token that was asked about."""
        if self._row is None or self._said is None or self._row["t_id"] is None:
            return None
        exchange = self.exchange
        return token_of(exchange.issuer, self._said, queries.standing_in(self._row, exchange.at))

    def forget(self) -> None:
        """What was known of the client led to no answer, so it is to be looked at anew."""
        if self._used is not None:
            self._clients.forget(self._used.client.client_id)


class IntrospectionAtOnce(Introspection):
    """The same endpoint, for a token that has been looked at."""

    server: ServerAtOnce

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        """The token, live."""
        return self.server.found()
