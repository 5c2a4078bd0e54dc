"""Authlib's AuthorizationServer on our session and our errors: one object per request, inside its transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from authlib.oauth2 import AuthorizationServer, OAuth2Error
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, RedirectResponse, Response

from machtiging.access_tokens.sender_constraint.dpop import DpopProof
from machtiging.kernel.errors import Message
from machtiging.oauth import queries
from machtiging.oauth.client import (
    AUTH_METHOD_NONE,
    PRIVATE_KEY_JWT,
    SELF_SIGNED_TLS_CLIENT_AUTH,
    TLS_CLIENT_AUTH,
    Client,
)
from machtiging.oauth.errors import (
    OAuthErrorCode,
    OAuthRefusal,
)
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.client_assertion import refuse_client_auth, require_one_auth_method
from machtiging.oauth.protocol.client_auth import PrivateKeyJwt, authenticate_public_client, consume_assertion
from machtiging.oauth.protocol.mtls_auth import build_mtls_auth_methods
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.token_binding import consume_proof, parse_request_certificate, resolve_binding
from machtiging.storage.connections.greenlets import run_in_greenlet
from machtiging.storage.statement import Executor

_T = TypeVar("_T")
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_FORBIDDEN_CHARACTERS = "Error description contains forbidden characters"
_REASON_CODES = {
    OAuthErrorCode.INVALID_GRANT: "code_ongeldig",
    OAuthErrorCode.INVALID_SCOPE: "scope_ongeldig",
    OAuthErrorCode.INVALID_CLIENT: "client_onbekend",
    OAuthErrorCode.UNAUTHORIZED_CLIENT: "client_niet_bevoegd",
    OAuthErrorCode.UNSUPPORTED_GRANT_TYPE: "soort_grant_onbekend",
    OAuthErrorCode.UNSUPPORTED_RESPONSE_TYPE: "soort_antwoord_onbekend",
}


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The context of a read-only request: executor, issuer and time."""

    executor: Executor
    issuer: Issuer
    at: datetime


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The context of a request that may write: transaction, issuer and time."""

    session: AsyncSession
    issuer: Issuer
    at: datetime

    @property
    def executor(self) -> Executor:
        """The session, as the executor for functions that accept either kind."""
        return self.session


class OAuthServer(AuthorizationServer):  # type: ignore[misc]
    """The hooks that Authlib needs. Built per request; use it only through `run_authlib`."""

    context: RequestContext

    def __init__(self, context: RequestContext | ReadContext) -> None:
        super().__init__()
        # Only read-only endpoints get a ReadContext, and they use only what it has.
        self.context = cast(RequestContext, context)
        self._clients: dict[str, Client | None] = {}
        assertion = PrivateKeyJwt(self.consume_assertion, context.issuer.url, context.at)
        self.register_client_auth_method(PRIVATE_KEY_JWT, assertion)
        self.register_client_auth_method(AUTH_METHOD_NONE, authenticate_public_client)
        for name, method in build_mtls_auth_methods(context.at, context.issuer.certificate_authorities).items():
            self.register_client_auth_method(name, method)

    def query_client(self, client_id: str) -> Client | None:
        """Find the active client with this id."""
        if client_id not in self._clients:
            self._clients[client_id] = await_sync(queries.find_active_client(self.context.executor, client_id))
        return self._clients[client_id]

    def authenticate_client(self, request: OAuthRequest, methods: Sequence[str], endpoint: str = "token") -> Client:
        """Authenticate the client by one of these methods. Raises OAuthRefusal `invalid_client`."""
        require_one_auth_method(request.form, request.headers)
        parse_request_certificate(request.presented, self.context.at)
        # A certificate is accepted wherever a client assertion is.
        proved = (TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH) if PRIVATE_KEY_JWT in methods else ()
        client: Client = super().authenticate_client(request, (*methods, *proved), endpoint)
        if request.form.get("client_id", client.client_id) != client.client_id:
            refuse_client_auth("client_id_wijkt_af", authenticated=True)
        request.client = client
        if endpoint == "token":
            keyring, at = self.context.issuer.keyring, self.context.at
            request.binding, proof = resolve_binding(keyring, client, request.presented, at)
            if proof is not None:
                await_sync(self.consume_proof(proof))
        return client

    async def consume_assertion(self, values: dict[str, Any]) -> bool:
        """Consume a client assertion's jti (`client_auth.build_assertion_params`); False on replay."""
        return await consume_assertion(self.context.executor, values)

    async def consume_proof(self, proof: DpopProof) -> None:
        """Consume a DPoP proof's jti. Raises OAuthRefusal `invalid_dpop_proof` on replay."""
        await consume_proof(self.context.executor, proof, self.context.at)

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Do nothing: a token is persisted where it is built, before it is sent."""

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request unchanged.

        `protocol.requests` built it, and Authlib converts again what is converted already.
        """
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """Build a response from Authlib's status, body and headers."""
        location = dict(headers).get("Location")
        if location is not None:
            return RedirectResponse(location, 303, headers=NO_STORE)  # FAPI 2.0 5.3.2.2: 303 after a form
        return JSONResponse(body, status, headers=NO_STORE)

    def handle_error_response(self, request: OAuthRequest, error: OAuth2Error) -> Response:
        """Raise Authlib's error as ours; the endpoint journals it and answers."""
        raise to_oauth_refusal(error) from error

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Do nothing: no signals are used."""


def to_oauth_refusal(error: OAuth2Error) -> OAuthRefusal:
    """Convert Authlib's error to a refusal with our text and reason code.

    Only invalid_request keeps Authlib's description: the others disclose too much, or repeat the input.
    """
    wire = OAuthErrorCode(error.error) if error.error in set(OAuthErrorCode) else OAuthErrorCode.INVALID_REQUEST
    described = error.description if wire is OAuthErrorCode.INVALID_REQUEST else None
    reason = _REASON_CODES.get(wire, "verzoek_vormfout")
    return OAuthRefusal(
        wire,
        reason,
        description=Message("oauth.authlib", {"text": str(described)}) if described else None,
        private=type(error).__name__,
        disclose_cause=wire is OAuthErrorCode.INVALID_CLIENT,
    )


async def run_authlib(server: OAuthServer, call: Callable[[OAuthServer], _T]) -> _T:
    """Run Authlib on this request's transaction.

    Raises OAuthRefusal for every refusal.

    Authlib's error classes raise ValueError on their own descriptions when these hold a quote or a non-ASCII letter.
    """
    try:
        return cast(_T, await run_in_greenlet(call, server))
    except OAuth2Error as error:
        raise to_oauth_refusal(error) from error
    except ValueError as error:
        if not str(error).startswith(_FORBIDDEN_CHARACTERS):
            raise
        raise OAuthRefusal(OAuthErrorCode.INVALID_REQUEST, "verzoek_vormfout") from error
