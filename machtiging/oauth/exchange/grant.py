"""Token exchange grant (RFC 8693 section 2): from a token for one service to one for the next."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import issue
from machtiging.oauth.client import EXCHANGE, PRIVATE_KEY_JWT, Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.exchange.rules import Asked, asked_from, scope_left
from machtiging.oauth.exchange.subject import Subject, subject_behind
from machtiging.oauth.issue import Order
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.server import Exchange, Server
from machtiging.oauth.requests.details import narrowed_details
from machtiging.oauth.requests.resources import Target, target_of, unknown_target
from machtiging.oauth.rules import reading_details


class ExchangeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """Token exchange grant for resource servers with a client assertion. The new token is never wider."""

    GRANT_TYPE = EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server
    request: WireRequest

    def validate_token_request(self) -> None:
        """Authenticate the client. Raises OAuthRefusal `invalid_client`, `unauthorized_client`."""
        client: Client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE) or not client.resource_server:
            raise OAuthRefusal(Wire.UNAUTHORIZED_CLIENT, "client_wisselt_niet_in")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Build the token response (RFC 8693 2.2.1). Raises OAuthRefusal."""
        return 200, wait(_exchanged(self.server.exchange, self.request)), self.TOKEN_RESPONSE_HEADER


async def _exchanged(exchange: Exchange, request: WireRequest) -> dict[str, Any]:
    client, asked = request.client, asked_from(request.form)
    subject = await subject_behind(exchange, client, asked.subject_token, request.binding)
    order = Order(
        target=await _target(exchange, client, asked, subject),
        details=reading_details(narrowed_details(subject.details, asked.details)),
        scope=scope_left(subject.facts.scope, client.scope, asked.scope),
        parent=subject.facts,
        binding=request.binding,
    )
    session, issuer, at = exchange.session, exchange.issuer, exchange.at
    made = await issue.access_token(session, issuer, client, subject.consented, at=at, order=order)
    return made | {"issued_token_type": asked.issued_type}


async def _target(exchange: Exchange, client: Client, asked: Asked, subject: Subject) -> Target:
    """Resolve the target of the new token: another resource, registered for this client.

    Raises OAuthRefusal `invalid_target`.
    """
    if asked.resource not in client.exchange_targets:
        raise unknown_target("resource_niet_voor_client")
    target = await target_of(exchange.session, exchange.issuer, asked.resource)
    if target.as_kept == subject.facts.audience:
        raise unknown_target("resource_dezelfde")
    return target
