"""Authorization code grant and client credentials grant, with their shared checks of the grant."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationCodeGrant, BaseGrant, ClientCredentialsGrant
from sqlalchemy import Table, select, update

from machtiging.access.proof.binding import Binding
from machtiging.audit.forged_rows import authenticate_row
from machtiging.crypto import secrets
from machtiging.delegation.queries import machtiging as machtiging_with
from machtiging.delegation.rules import OTHER_ORGANISATION, Machtiging, is_usable, unusable_reason
from machtiging.kernel.ids import GrantId
from machtiging.oauth import issue, queries
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, Client
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.errors import OAuthRefusal, Wire, malformed
from machtiging.oauth.issue import Consented, Order
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.handout import Share, for_client, for_consent
from machtiging.oauth.protocol.server import Exchange, Server
from machtiging.oauth.queries import Grant
from machtiging.oauth.requests.details import narrowed_details
from machtiging.oauth.requests.resources import Target, narrowed_target, target_of, unknown_target
from machtiging.oauth.rules import CODE_LIVES, SCOPES_OF, cannot_grant, is_s256
from machtiging.oauth.tables import SEALED_CODE, AuthorizationCode
from machtiging.storage.row_mac import INVALID

_CODE: Table = AuthorizationCode.__table__  # type: ignore[attr-defined]
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class Code:
    """A code that this request consumed. Authlib reads its redirect URI and scope."""

    redirect_uri: str
    nonce: str | None
    consented: Consented
    resource: str | None = None

    def get_redirect_uri(self) -> str:
        """Return the redirect URI of the authorization request."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the granted scope."""
        return self.consented.grant.scope


def no_grant(code: str) -> OAuthRefusal:
    """Build an `invalid_grant` refusal: one text for every cause.

    The causes: unknown, expired, used, another client's, wrong verifier, machtiging not in force.
    """
    return OAuthRefusal(Wire.INVALID_GRANT, code)


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Authorization code grant: PKCE with S256, one-time codes, and a live check of the grant."""

    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT, PUBLIC)
    server: Server
    request: WireRequest

    @property
    def _exchange(self) -> Exchange:
        return self.server.exchange

    @staticmethod
    def validate_authorization_redirect_uri(request: WireRequest, client: Client) -> str:
        """Require a registered redirect URI, compared exactly.

        Raises OAuthRefusal `invalid_request`, never redirects.
        """
        offered: str | None = request.payload.redirect_uri
        if offered is None or not client.check_redirect_uri(offered):
            raise malformed("redirect_uri_onbekend", "The redirect_uri is missing or not registered.")
        return offered

    def validate_authorization_request(self) -> str:
        """Run Authlib's checks (client, redirect URI, response type, scope), then check PKCE and nonce."""
        redirect_uri: str = super().validate_authorization_request()
        form = self.request.form
        if not is_s256(form.get("code_challenge"), form.get("code_challenge_method")):
            raise malformed("pkce_ontbreekt", "PKCE with code_challenge_method S256 is required.")
        if "openid" in (self.request.scope or "").split() and not form.get("nonce"):
            raise malformed("nonce_ontbreekt", "With scope openid a nonce is required.")
        return redirect_uri

    def query_authorization_code(self, code: str, client: Client) -> Code:
        """Consume the code and load its grant. Raises OAuthRefusal `invalid_grant`."""
        return wait(self._redeemed(code, client))

    async def _redeemed(self, code: str, client: Client) -> Code:
        return await _redeem(self._exchange, code, client, self.request)

    def authenticate_user(self, authorization_code: Code) -> Consented:
        """Return the grant of the code."""
        return authorization_code.consented

    def generate_token(self, *, user: Consented, **_kwargs: Any) -> dict[str, Any]:
        """Build and persist the token response."""
        return wait(self._tokens(user))

    async def _tokens(self, held: Consented) -> dict[str, Any]:
        exchange, code = self._exchange, self.request.authorization_code
        order = order_within(self.request, held, await self._target(code))
        says_who = "openid" in code.get_scope().split() and code.nonce is not None
        share = Share(held, order, code.resource, says_who, code.nonce)
        handout = await for_consent(exchange.work, exchange.issuer, self.request, share, at=exchange.at)
        await self.server.write_down(handout)
        return handout.response

    async def _target(self, code: Code) -> Target:
        return await target_of(self._exchange.work, self._exchange.issuer, code.resource)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Do nothing: the used row stays, to detect replay of the code."""


async def _redeem(exchange: Exchange, code: str, client: Client, request: WireRequest) -> Code:
    session, at = exchange.session, exchange.at
    mine = (_CODE.c.code_hash == secrets.digest(code), _CODE.c.client_id == client.client_id)
    # One atomic UPDATE consumes the code: a concurrent second use waits for the row lock, and finds it used.
    using = update(_CODE).where(*mine, _CODE.c.used_at.is_(None)).values(used_at=at).returning(*_CODE.c)
    row = (await session.execute(using)).one_or_none()
    if row is None:
        grant_id = await session.scalar(select(_CODE.c.grant_id).where(*mine))
        if grant_id is not None and await end_grant(session, GrantId(grant_id), Ending("code_hergebruikt"), at=at):
            request.proven = True  # only the first replay is journalled, so that repetition cannot fill the journal
        raise no_grant("code_onbekend" if grant_id is None else "code_hergebruikt")
    request.proven = True
    if not await authenticate_row(session, SEALED_CODE, row, at=at):
        raise no_grant(INVALID)
    check_code(row, request.form, request.binding, at)
    grant = await queries.grant_held(session, GrantId(row.grant_id))
    if grant is None or grant.ended_at is not None:
        raise no_grant("grant_beeindigd")
    check_organisation(grant, row.organisation_kvk)
    return Code(row.redirect_uri, row.nonce, await consented(exchange, grant), row.resource)


def order_within(request: WireRequest, held: Consented, target: Target) -> Order:
    """Build the token spec from a token request, within the grant.

    Raises OAuthRefusal `invalid_target`, `invalid_authorization_details`.
    """
    form = request.form
    target = narrowed_target(target, form.get("resource"))
    details = narrowed_details(held.grant.authorization_details, form.get("authorization_details"))
    return Order(target, details, binding=request.binding)


def check_code(row: Any, form: dict[str, str], bound: Binding, at: datetime) -> None:
    """Check that this request may redeem the code in this row. Raises OAuthRefusal `invalid_grant`."""
    if at >= min(row.expires_at, row.created_at + CODE_LIVES):  # the MAC covers created_at, not expires_at
        raise no_grant("code_verlopen")
    if form.get("redirect_uri") != row.redirect_uri:
        raise no_grant("redirect_uri_wijkt_af")
    if not _proves(form.get("code_verifier", ""), row.code_challenge):
        raise no_grant("pkce_klopt_niet")
    if row.jkt is not None and row.jkt != bound.jkt:
        raise no_grant("code_voor_andere_sleutel")  # RFC 9449 section 10


def _proves(verifier: str, challenge: str) -> bool:
    """Verify the PKCE code verifier (RFC 7636 4.6), S256 only."""
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return secrets.same(made, challenge.encode())


async def consented(exchange: Exchange, grant: Grant) -> Consented:
    """Load the grant's machtiging and check that it is in force. Raises OAuthRefusal `invalid_grant`."""
    found = None if grant.machtiging_id is None else await machtiging_with(exchange.session, grant.machtiging_id)
    return consented_under(grant, found, exchange.at)


def consented_under(grant: Grant, machtiging: Machtiging | None, at: datetime) -> Consented:
    """Check the grant against its loaded machtiging. Raises OAuthRefusal `invalid_grant` when it is not in force."""
    if grant.machtiging_id is None:
        return Consented(grant, None)
    if machtiging is None or not opens_for(machtiging, grant, at):
        raise no_grant(unusable_reason(machtiging, grant.organisation_kvk, at))
    return Consented(grant, machtiging)


def check_organisation(grant: Grant, organisation_kvk: str | None) -> None:
    """Check that a code or refresh token has its grant's organisation. Raises OAuthRefusal `invalid_grant`."""
    if organisation_kvk != grant.organisation_kvk:
        raise no_grant(OTHER_ORGANISATION)


def opens_for(machtiging: Machtiging, grant: Grant, at: datetime) -> bool:
    """Check that the machtiging is in force for this person and this organisation.

    The organisation is that of the grant.
    """
    return is_usable(machtiging, grant.person_id, grant.organisation_kvk, at)


class AgencyGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """Client credentials grant for agencies: requires a client assertion and a registered OIN."""

    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server
    request: WireRequest

    def validate_token_request(self) -> None:
        """Run Authlib's checks, then check OIN and scope.

        Raises OAuthRefusal `unauthorized_client`, `invalid_scope`.
        """
        super().validate_token_request()
        client: Client = self.request.client
        if client.oin is None:
            raise OAuthRefusal(Wire.UNAUTHORIZED_CLIENT, "client_zonder_oin")
        asked = self.request.payload.scope or " ".join(sorted(client.scope))
        scope = client.get_allowed_scope(asked)
        if not scope or not set(scope.split()) <= set(SCOPES_OF[self.GRANT_TYPE]):
            raise OAuthRefusal(Wire.INVALID_SCOPE, "scope_ongeldig")
        api = self.server.exchange.issuer.audience
        if self.request.form.get("resource", api) != api:
            raise unknown_target("resource_niet_toegestemd")
        if "authorization_details" in self.request.form:
            cannot_grant("details_niet_toegestemd")
        self.request.scope = scope

    def generate_token(self, **_kwargs: Any) -> dict[str, Any]:
        """Build and persist the token response."""
        exchange, request = self.server.exchange, self.request
        made = issue.for_client(exchange.issuer, request.client, request.scope, at=exchange.at, binding=request.binding)
        wait(self.server.write_down(for_client(made)))
        return made.response


def token_server(exchange: Exchange, *more: type[BaseGrant]) -> Server:
    """Build a server with both grants and the additional ones of other packages."""
    server = Server(exchange)
    for grant in (CodeGrant, *more, AgencyGrant):
        server.register_grant(grant)
    return server
