"""OpenID Connect relying party: authenticates people at the configured login broker.

Such a broker passes on logins with DigiD.

Sources: OpenID Connect Core 1.0 and Discovery 1.0; RFC 7636 (PKCE, S256 only); RFC 7523 (private_key_jwt); RFC 9207
(`iss` in the authorization response); NL GOV assurance profile for OpenID Connect.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from machtiging.crypto import secrets
from machtiging.crypto.jose import verify_jwt
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.errors import IdTokenRejected, LoginFailed
from machtiging.identity.login_attempts import PendingLogin, StartedLogin
from machtiging.identity.rules import IdTokenExpectations, VerifiedLogin, validate_id_token_claims
from machtiging.kernel.errors import NotAuthenticated
from machtiging.message_catalogue import current_language
from machtiging.web.outbound.tls import tls_context

ID_TOKEN_ALGORITHMS = ("PS256", "ES256", "RS256")
MAX_AGE = timedelta(minutes=15)
_SCOPE = "openid profile email"
_CACHE_LIFETIME = timedelta(hours=1)
_JWKS_REFRESH_INTERVAL = timedelta(seconds=30)
_ASSERTION_LIFETIME = timedelta(seconds=60)
# Enough for the requests of one login. A code is redeemed once, so its request must not meet a closing connection.
_KEEPALIVE_SECONDS = 1.0
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MAX_RESPONSE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class BrokerMetadata:
    """The part of the broker's discovery document that we use.

    `sends_iss_parameter`: the broker supports RFC 9207, so every authorization response must contain `iss`.
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    sends_iss_parameter: bool


@dataclass(frozen=True, slots=True)
class _CachedResponse:
    """A cached response of the broker, with the time of the fetch."""

    value: Any
    fetched_at: datetime


class Broker:
    """A client of one OpenID provider. `aclose` closes its HTTP connections.

    `total_timeout` limits a whole response, from first to last byte. `io_timeout` limits the connect and each read;
    None means half of the total. Both are in seconds. The total limit applies also when `io_timeout` is longer.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        redirect_uri: str,
        keyring: KeyRing,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        total_timeout: float = 10.0,
        io_timeout: float | None = None,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._redirect_uri = redirect_uri
        self._keyring = keyring
        self._total_timeout = total_timeout
        # An http issuer is the simulator on this machine. A proxy from the environment cannot reach it.
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=total_timeout / 2 if io_timeout is None else io_timeout,
            limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_SECONDS),
            trust_env=issuer.startswith("https:"),
            verify=tls_context(),
        )
        self._metadata: _CachedResponse | None = None
        self._jwks: _CachedResponse | None = None

    async def aclose(self) -> None:
        """Close the HTTP connections."""
        await self._http.aclose()

    async def load_metadata(self, *, at: datetime) -> BrokerMetadata:
        """Return the broker's metadata, cached for one hour. Raises LoginFailed `broker_...`."""
        if self._metadata is None or at - self._metadata.fetched_at > _CACHE_LIFETIME:
            document = await self._fetch_json("GET", self.issuer.rstrip("/") + "/.well-known/openid-configuration")
            self._metadata = _CachedResponse(self._parse_metadata(document), at)
        cached: BrokerMetadata = self._metadata.value
        return cached

    def _parse_metadata(self, document: dict[str, Any]) -> BrokerMetadata:
        """Validate a discovery document: the issuer must match exactly (Discovery section 4.3).

        Endpoints must use https, or the scheme of the issuer.
        """
        if document.get("issuer") != self.issuer:
            raise LoginFailed("broker_noemt_andere_uitgever")
        scheme = self.issuer.split(":", 1)[0]
        endpoints = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        safe = all(isinstance(url, str) and url.startswith(("https://", scheme + "://")) for url in endpoints)
        methods = document.get("code_challenge_methods_supported", ["S256"])
        if not safe or not isinstance(methods, list) or "S256" not in methods:
            raise LoginFailed("broker_beschrijving_ongeldig")
        authorization, token, jwks = (str(url) for url in endpoints)
        names_itself = document.get("authorization_response_iss_parameter_supported") is True
        return BrokerMetadata(authorization, token, jwks, names_itself)

    def create_authorization_url(
        self, metadata: BrokerMetadata, started: StartedLogin, login_hint: str | None = None
    ) -> str:
        """Build the URL of the authorization request (OpenID Connect Core section 3.1.2.1)."""
        digest = hashlib.sha256(started.pending.code_verifier.encode()).digest()
        question = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": _SCOPE,
            "state": started.state,
            "nonce": started.pending.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "acr_values": started.pending.requested.acr,
            "max_age": str(int(MAX_AGE.total_seconds())),
            "ui_locales": current_language(),
        }
        if started.pending.reauthenticate:
            question |= {"prompt": "login", "max_age": "0"}
        if login_hint is not None:
            question["login_hint"] = login_hint
        return str(httpx.URL(metadata.authorization_endpoint).copy_merge_params(question))

    async def verify_response_issuer(self, iss: str | None, *, at: datetime) -> None:
        """Reject an authorization response from another issuer: the mix-up attack (RFC 9207 section 2.4).

        Raises LoginFailed `antwoord_van_andere_uitgever`.
        """
        names_itself = (await self.load_metadata(at=at)).sends_iss_parameter
        if (iss is not None and iss != self.issuer) or (iss is None and names_itself):
            raise LoginFailed("antwoord_van_andere_uitgever")

    async def redeem_code(self, code: str, pending: PendingLogin, *, at: datetime) -> VerifiedLogin:
        """Exchange the authorization code for tokens and validate the id_token. Raises LoginFailed with the reason."""
        metadata = await self.load_metadata(at=at)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": pending.code_verifier,
            "client_id": self._client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._sign_client_assertion(at),
        }
        answer = await self._fetch_json("POST", metadata.token_endpoint, form)
        claims = await self._verify_id_token(answer.get("id_token"), metadata, at)
        # A broker session from before this attempt is too old for a reauthentication.
        oldest = at - pending.started_at if pending.reauthenticate else MAX_AGE
        expected = IdTokenExpectations(self.issuer, self._client_id, pending.nonce, pending.requested, oldest)
        try:
            return validate_id_token_claims(claims, expected, at=at)
        except LoginFailed as failure:
            raise IdTokenRejected(failure.code, private=failure.private) from failure

    def _sign_client_assertion(self, at: datetime) -> str:
        now = int(at.timestamp())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self.issuer,
            "jti": secrets.generate_token(128),
            "iat": now,
            "exp": now + int(_ASSERTION_LIFETIME.total_seconds()),
        }
        return self._keyring.sign_jwt(claims, typ="JWT", alg="ES256")

    async def _verify_id_token(self, token: object, metadata: BrokerMetadata, at: datetime) -> dict[str, Any]:
        """Verify the signature of the id_token and return its claims.

        When verification fails the broker may have rotated its keys, so the JWKS is fetched once more.
        """
        if not isinstance(token, str):
            raise LoginFailed("broker_antwoord_ongeldig")
        reason = ""
        for oldest in (_CACHE_LIFETIME, _JWKS_REFRESH_INTERVAL):
            keys = await self._load_jwks(metadata, at, oldest)
            try:
                return verify_jwt(token, keys, algorithms=ID_TOKEN_ALGORITHMS, typ=None)
            except NotAuthenticated as refusal:
                reason = refusal.private
        raise LoginFailed("id_token_ongeldig", private=reason)

    async def _load_jwks(self, metadata: BrokerMetadata, at: datetime, max_age: timedelta) -> dict[str, Any]:
        if self._jwks is None or at - self._jwks.fetched_at > max_age:
            self._jwks = _CachedResponse(await self._fetch_json("GET", metadata.jwks_uri), at)
        keys: dict[str, Any] = self._jwks.value
        return keys

    async def _fetch_json(self, method: str, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        """Fetch one JSON object from the broker. No redirects; time and size are limited."""
        try:
            async with asyncio.timeout(self._total_timeout):
                status, body = await self._send_request(method, url, form)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise LoginFailed("broker_niet_bereikbaar", private=type(error).__name__) from error
        if status >= 500:
            raise LoginFailed("broker_niet_bereikbaar", private=str(status))
        if status != 200:
            raise LoginFailed("broker_weigert", private=str(status))
        return _parse_json_object(body)

    async def _send_request(self, method: str, url: str, form: dict[str, str] | None) -> tuple[int, bytes]:
        async with self._http.stream(method, url, data=form, headers={"Accept": "application/json"}) as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _MAX_RESPONSE_BYTES:
                    raise LoginFailed("broker_antwoord_ongeldig", private="te groot")
            return response.status_code, bytes(body)


def _parse_json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LoginFailed("broker_antwoord_ongeldig") from error
    if not isinstance(document, dict):
        raise LoginFailed("broker_antwoord_ongeldig")
    return document
