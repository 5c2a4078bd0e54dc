"""The two grants: a code for a person's consent, and client credentials for an agency. No other is registered."""

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
    """A code that has just been used up by this very request; Authlib asks its redirect URI and scope."""

    redirect_uri: str
    nonce: str | None
    consented: Consented
    resource: str | None = None

    def get_redirect_uri(self) -> str:
        """The redirect URI it went to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """The scope that was granted."""
        return self.consented.grant.scope


def no_grant(code: str) -> OAuthRefusal:
    """invalid_grant: one text for unknown, expired, used, another client's, wrong verifier, machtiging ended."""
    return OAuthRefusal(Wire.INVALID_GRANT, code)


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Authorization code: S256 for every client, used once whoever asks first, asked live what it is still worth."""

    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT, PUBLIC)
    server: Server
    request: WireRequest

    @property
    def _exchange(self) -> Exchange:
        return self.server.exchange

    @staticmethod
    def validate_authorization_redirect_uri(request: WireRequest, client: Client) -> str:
        """The redirect URI: always sent, compared exactly. Raises OAuthRefusal `invalid_request`, never redirects."""
        offered: str | None = request.payload.redirect_uri
        if offered is None or not client.check_redirect_uri(offered):
            raise malformed("redirect_uri_onbekend", "The redirect_uri is missing or not registered.")
        return offered

    def validate_authorization_request(self) -> str:
        """Authlib's checks (client, redirect URI, response type, scope), then PKCE and nonce."""
        redirect_uri: str = super().validate_authorization_request()
        form = self.request.form
        if not is_s256(form.get("code_challenge"), form.get("code_challenge_method")):
            raise malformed("pkce_ontbreekt", "PKCE with code_challenge_method S256 is required.")
        if "openid" in (self.request.scope or "").split() and not form.get("nonce"):
            raise malformed("nonce_ontbreekt", "With scope openid a nonce is required.")
        return redirect_uri

    def query_authorization_code(self, code: str, client: Client) -> Code:
        """Use the code up and find what it stands for. Raises OAuthRefusal `invalid_grant`."""
        return wait(self._redeemed(code, client))

    async def _redeemed(self, code: str, client: Client) -> Code:
        return await _redeem(self._exchange, code, client, self.request)

    def authenticate_user(self, authorization_code: Code) -> Consented:
        """The consent behind the code."""
        return authorization_code.consented

    def generate_token(self, *, user: Consented, **_kwargs: Any) -> dict[str, Any]:
        """The token response, made where the whole consent is at hand."""
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
        """Nothing: the row stays, used, so that a second use is recognised."""


async def _redeem(exchange: Exchange, code: str, client: Client, request: WireRequest) -> Code:
    session, at = exchange.session, exchange.at
    mine = (_CODE.c.code_hash == secrets.digest(code), _CODE.c.client_id == client.client_id)
    # One statement decides who was first: the second waits for the row, and finds it used.
    using = update(_CODE).where(*mine, _CODE.c.used_at.is_(None)).values(used_at=at).returning(*_CODE.c)
    row = (await session.execute(using)).one_or_none()
    if row is None:
        grant_id = await session.scalar(select(_CODE.c.grant_id).where(*mine))
        if grant_id is not None and await end_grant(session, GrantId(grant_id), Ending("code_hergebruikt"), at=at):
            request.proven = True  # by the first replay only: the same code again and again must not fill the journal
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
    """What this token request asks of the consent: the target of that, and all of its details or fewer.

    Raises OAuthRefusal `invalid_target`, `invalid_authorization_details`.
    """
    form = request.form
    target = narrowed_target(target, form.get("resource"))
    details = narrowed_details(held.grant.authorization_details, form.get("authorization_details"))
    return Order(target, details, binding=request.binding)


def check_code(row: Any, form: dict[str, str], bound: Binding, at: datetime) -> None:
    """Whether this request may redeem the code in this row. Raises OAuthRefusal `invalid_grant`."""
    if at >= min(row.expires_at, row.created_at + CODE_LIVES):  # its MAC covers when it was made
        raise no_grant("code_verlopen")
    if form.get("redirect_uri") != row.redirect_uri:
        raise no_grant("redirect_uri_wijkt_af")
    if not _proves(form.get("code_verifier", ""), row.code_challenge):
        raise no_grant("pkce_klopt_niet")
    if row.jkt is not None and row.jkt != bound.jkt:
        raise no_grant("code_voor_andere_sleutel")  # RFC 9449 section 10


def _proves(verifier: str, challenge: str) -> bool:
    """RFC 7636 4.6, S256 only."""
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return secrets.same(made, challenge.encode())


async def consented(exchange: Exchange, grant: Grant) -> Consented:
    """The grant with its machtiging as it stands now. Raises OAuthRefusal `invalid_grant` when that is not in force."""
    found = None if grant.machtiging_id is None else await machtiging_with(exchange.session, grant.machtiging_id)
    return consented_under(grant, found, exchange.at)


def consented_under(grant: Grant, machtiging: Machtiging | None, at: datetime) -> Consented:
    """The grant with its machtiging, for who has looked it up. Raises OAuthRefusal `invalid_grant`."""
    if grant.machtiging_id is None:
        return Consented(grant, None)
    if machtiging is None or not opens_for(machtiging, grant, at):
        raise no_grant(unusable_reason(machtiging, grant.organisation_kvk, at))
    return Consented(grant, machtiging)


def check_organisation(grant: Grant, organisation_kvk: str | None) -> None:
    """Hold a code or refresh token to its consent's organisation. Raises OAuthRefusal `invalid_grant`."""
    if organisation_kvk != grant.organisation_kvk:
        raise no_grant(OTHER_ORGANISATION)


def opens_for(machtiging: Machtiging, grant: Grant, at: datetime) -> bool:
    """Check that the machtiging is in force and this person's, for the organisation of the consent."""
    return is_usable(machtiging, grant.person_id, grant.organisation_kvk, at)


class AgencyGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """Client credentials: for agencies that deliver, with a signed assertion and a registered OIN."""

    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server
    request: WireRequest

    def validate_token_request(self) -> None:
        """Authlib's checks, then OIN and scope. Raises OAuthRefusal `unauthorized_client`, `invalid_scope`."""
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
        """The token response."""
        exchange, request = self.server.exchange, self.request
        made = issue.for_client(exchange.issuer, request.client, request.scope, at=exchange.at, binding=request.binding)
        wait(self.server.write_down(for_client(made)))
        return made.response


def token_server(exchange: Exchange, *more: type[BaseGrant]) -> Server:
    """A server that knows both grants, and those of the packages above this one."""
    server = Server(exchange)
    for grant in (CodeGrant, *more, AgencyGrant):
        server.register_grant(grant)
    return server
