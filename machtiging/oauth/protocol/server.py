"""Authlib's AuthorizationServer on our session and our errors: one object per request, inside its transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from authlib.oauth2 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749 import ClientAuthentication
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn
from starlette.responses import JSONResponse, RedirectResponse, Response

from machtiging.access.proof.dpop import Proof
from machtiging.oauth import queries
from machtiging.oauth.client import BY_AUTHORITY, BY_ITSELF, PRIVATE_KEY_JWT, PUBLIC, Client
from machtiging.oauth.errors import CLIENT_AUTH_CAUSES, TEXTS, OAuthRefusal, Wire, malformed
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.assertion import one_method, unauthentic
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.certificate_auth import certificate_methods
from machtiging.oauth.protocol.client_auth import PrivateKeyJwt, public_client, take
from machtiging.oauth.protocol.handout import Handout, written_down
from machtiging.oauth.protocol.sender import binding_for, shown_certificate, taken
from machtiging.storage.statement import Work

_T = TypeVar("_T")
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MIGHT_SAY = {Wire.INVALID_REQUEST}  # Authlib's other texts disclose too much, or repeat the input
_UNSPEAKABLE = "Error description contains forbidden characters"
_REASONS = {
    Wire.INVALID_GRANT: "code_ongeldig",
    Wire.INVALID_SCOPE: "scope_ongeldig",
    Wire.INVALID_CLIENT: "client_onbekend",
    Wire.UNAUTHORIZED_CLIENT: "client_niet_bevoegd",
    Wire.UNSUPPORTED_GRANT_TYPE: "soort_grant_onbekend",
    Wire.UNSUPPORTED_RESPONSE_TYPE: "soort_antwoord_onbekend",
}


@dataclass(frozen=True, slots=True)
class Asking:
    """The context of a read-only request: executor, issuer and time."""

    work: Work
    issuer: Issuer
    at: datetime


@dataclass(frozen=True, slots=True)
class Exchange:
    """The context of a request that may write: transaction, issuer and time."""

    session: AsyncSession
    issuer: Issuer
    at: datetime

    @property
    def work(self) -> Work:
        """The session, as the executor for functions that accept either kind."""
        return self.session


class Server(AuthorizationServer):  # type: ignore[misc]
    """The hooks that Authlib needs. Built per request; use it only through `run_authlib`."""

    exchange: Exchange

    def __init__(self, exchange: Exchange | Asking) -> None:
        super().__init__()
        # Only read-only endpoints get a ReadContext, and they use only what it has.
        self.exchange = cast(Exchange, exchange)
        self._known: dict[str, Client | None] = {}
        self._client_auth = ClientAuthentication(self.query_client)
        assertion = PrivateKeyJwt(self.use_assertion, exchange.issuer.url, exchange.at)
        self.register_client_auth_method(PRIVATE_KEY_JWT, assertion)
        self.register_client_auth_method(PUBLIC, public_client)
        for name, method in certificate_methods(exchange.at, exchange.issuer.authorities).items():
            self.register_client_auth_method(name, method)

    def query_client(self, client_id: str) -> Client | None:
        """Find the active client with this id."""
        if client_id not in self._known:
            self._known[client_id] = wait(queries.client(self.exchange.work, client_id))
        return self._known[client_id]

    def authenticate_client(self, request: WireRequest, methods: Sequence[str], endpoint: str = "token") -> Client:
        """Authenticate the client by one of these methods. Raises OAuthRefusal `invalid_client`."""
        one_method(request.form, request.headers)
        shown_certificate(request.shown, self.exchange.at)
        # A certificate is accepted wherever a client assertion is.
        proved = (BY_AUTHORITY, BY_ITSELF) if PRIVATE_KEY_JWT in methods else ()
        client: Client = super().authenticate_client(request, (*methods, *proved), endpoint)
        if request.form.get("client_id", client.client_id) != client.client_id:
            unauthentic("client_id_wijkt_af", proven=True)
        request.client = client
        if endpoint == "token":
            keyring, at = self.exchange.issuer.keyring, self.exchange.at
            request.binding, proof = binding_for(keyring, client, request.shown, at)
            if proof is not None:
                wait(self.use_proof(proof))
        return client

    async def use_assertion(self, values: dict[str, Any]) -> bool:
        """Consume a client assertion's jti (`client_auth.consume_assertion_params`); False on replay."""
        return await take(self.exchange.work, values)

    async def use_proof(self, proof: Proof) -> None:
        """Consume a DPoP proof's jti. Raises OAuthRefusal `invalid_dpop_proof` on replay."""
        await taken(self.exchange.work, proof, self.exchange.at)

    async def write_down(self, handout: Handout) -> None:
        """Persist the issued tokens. Raises OAuthRefusal `invalid_client` for a suspended client."""
        await written_down(self.exchange.session, handout)

    def save_token(self, token: dict[str, Any], request: WireRequest) -> None:
        """Do nothing: a token is persisted where it is built, before it is sent."""

    def create_oauth2_request(self, request: WireRequest) -> WireRequest:
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

    def handle_error_response(self, request: WireRequest, error: OAuth2Error) -> Response:
        """Raise Authlib's error as ours; the endpoint journals it and answers."""
        raise refusal_of(error) from error

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Do nothing: no signals are used."""


def refusal_of(error: OAuth2Error) -> OAuthRefusal:
    """Convert Authlib's error to a refusal with our text and reason code."""
    wire = Wire(error.error) if error.error in set(Wire) else Wire.INVALID_REQUEST
    text = str(error.description or "") if wire in _MIGHT_SAY else TEXTS[wire]
    reason = _REASONS.get(wire, "verzoek_vormfout")
    cause = CLIENT_AUTH_CAUSES[reason] if wire is Wire.INVALID_CLIENT else ""
    return OAuthRefusal(wire, reason, text, private=type(error).__name__, cause=cause)


async def run(server: Server, work: Callable[[Server], _T]) -> _T:
    """Run Authlib on this request's transaction.

    Raises OAuthRefusal for every refusal.

    Authlib's error classes raise ValueError on their own descriptions when these hold a quote or a non-ASCII letter.
    """
    try:
        return cast(_T, await greenlet_spawn(work, server))
    except OAuth2Error as error:
        raise refusal_of(error) from error
    except ValueError as error:
        if not str(error).startswith(_UNSPEAKABLE):
            raise
        raise malformed("verzoek_vormfout", TEXTS[Wire.INVALID_REQUEST]) from error
