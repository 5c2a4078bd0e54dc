"""Authorization code grant and client credentials grant, with their shared checks of the grant."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationCodeGrant, BaseGrant, ClientCredentialsGrant
from sqlalchemy import select, update

from machtiging.access_tokens.representation import OTHER_ORGANISATION, UNUSABLE, Representation
from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import ROW_INVALID
from machtiging.kernel.ids import GrantId
from machtiging.oauth import queries, token_issuance
from machtiging.oauth.authorization_details.handler import refuse_authorization_details
from machtiging.oauth.authorization_details.parsing import narrow_authorization_details
from machtiging.oauth.authorization_details.representations import load_representation
from machtiging.oauth.client import AUTH_METHOD_NONE, PRIVATE_KEY_JWT, Client
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, invalid_request_error
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.server import OAuthServer, RequestContext
from machtiging.oauth.protocol.token_response import IssuanceRequest, build_client_token_response, build_token_response
from machtiging.oauth.queries import Grant
from machtiging.oauth.request_parameters.resource_indicators import (
    ResourceTarget,
    find_target,
    invalid_target_error,
    narrow_target,
)
from machtiging.oauth.rules import (
    AUTHORIZATION_CODE_LIFETIME,
    SCOPES_BY_GRANT_TYPE,
    is_s256_challenge,
)
from machtiging.oauth.tables import SEALED_CODE, AuthorizationCode
from machtiging.oauth.token_issuance import ActiveGrant, TokenSpec
from machtiging.storage.columns import table_of

_AUTHORIZATION_CODE = table_of(AuthorizationCode)
_CODE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class RedeemedCode:
    """A code that this request consumed. Authlib reads its redirect URI and scope."""

    redirect_uri: str
    nonce: str | None
    active_grant: ActiveGrant
    resource: str | None = None

    def get_redirect_uri(self) -> str:
        """Return the redirect URI of the authorization request."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the granted scope."""
        return self.active_grant.grant.scope


def invalid_grant_error(code: str) -> OAuthRefusal:
    """Build an `invalid_grant` refusal: one text for every cause.

    The causes: unknown, expired, used, another client's, wrong verifier, machtiging not in force.
    """
    return OAuthRefusal(OAuthErrorCode.INVALID_GRANT, code)


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Authorization code grant: PKCE with S256, one-time codes, and a live check of the grant."""

    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT, AUTH_METHOD_NONE)
    server: OAuthServer
    request: OAuthRequest

    @property
    def _context(self) -> RequestContext:
        return self.server.context

    @staticmethod
    def validate_authorization_redirect_uri(request: OAuthRequest, client: Client) -> str:
        """Require a registered redirect URI, compared exactly.

        Raises OAuthRefusal `invalid_request`, never redirects.
        """
        offered: str | None = request.payload.redirect_uri
        if offered is None or not client.check_redirect_uri(offered):
            raise invalid_request_error("redirect_uri_onbekend")
        return offered

    def validate_authorization_request(self) -> str:
        """Run Authlib's checks (client, redirect URI, response type, scope), then check PKCE and nonce."""
        redirect_uri: str = super().validate_authorization_request()
        form = self.request.form
        if not is_s256_challenge(form.get("code_challenge"), form.get("code_challenge_method")):
            raise invalid_request_error("pkce_ontbreekt")
        if "openid" in (self.request.scope or "").split() and not form.get("nonce"):
            raise invalid_request_error("nonce_ontbreekt")
        return redirect_uri

    def query_authorization_code(self, code: str, client: Client) -> RedeemedCode:
        """Consume the code and load its grant. Raises OAuthRefusal `invalid_grant`."""
        return await_sync(self._redeem_code(code, client))

    async def _redeem_code(self, code: str, client: Client) -> RedeemedCode:
        return await _redeem_authorization_code(self._context, code, client, self.request)

    def authenticate_user(self, authorization_code: RedeemedCode) -> ActiveGrant:
        """Return the grant of the code."""
        return authorization_code.active_grant

    def generate_token(self, *, user: ActiveGrant, **_kwargs: Any) -> dict[str, Any]:
        """Build and persist the token response."""
        return await_sync(self._issue_tokens(user))

    async def _issue_tokens(self, active_grant: ActiveGrant) -> dict[str, Any]:
        exchange, code = self._context, self.request.authorization_code
        order = build_token_spec(exchange.issuer, self.request, active_grant, await self._resolve_target(code))
        says_who = "openid" in code.get_scope().split() and code.nonce is not None
        share = IssuanceRequest(active_grant, order, code.resource, says_who, code.nonce)
        handout = await build_token_response(exchange.executor, exchange.issuer, self.request, share, at=exchange.at)
        await self.server.persist_issued_tokens(handout)
        return handout.response

    async def _resolve_target(self, code: RedeemedCode) -> ResourceTarget:
        return await find_target(self._context.executor, self._context.issuer, code.resource)

    def delete_authorization_code(self, authorization_code: RedeemedCode) -> None:
        """Do nothing: the used row stays, to detect replay of the code."""


async def _redeem_authorization_code(
    context: RequestContext, code: str, client: Client, request: OAuthRequest
) -> RedeemedCode:
    session, at = context.session, context.at
    mine = (
        _AUTHORIZATION_CODE.c.code_hash == secrets.sha256_digest(code),
        _AUTHORIZATION_CODE.c.client_id == client.client_id,
    )
    # One atomic UPDATE consumes the code: a concurrent second use waits for the row lock, and finds it used.
    using = (
        update(_AUTHORIZATION_CODE)
        .where(*mine, _AUTHORIZATION_CODE.c.used_at.is_(None))
        .values(used_at=at)
        .returning(*_AUTHORIZATION_CODE.c)
    )
    row = (await session.execute(using)).one_or_none()
    if row is None:
        grant_id = await session.scalar(select(_AUTHORIZATION_CODE.c.grant_id).where(*mine))
        handler, ending = context.issuer.details_handler, GrantEnding("code_hergebruikt")
        if grant_id is not None and await end_grant(session, handler, GrantId(grant_id), ending, at=at):
            request.credential_proven = (
                True  # only the first replay is journalled, so that repetition cannot fill the journal
            )
        raise invalid_grant_error("code_onbekend" if grant_id is None else "code_hergebruikt")
    request.credential_proven = True
    if not await authenticate_row(session, SEALED_CODE, row, at=at):
        raise invalid_grant_error(ROW_INVALID)
    check_authorization_code(row, request.form, request.binding, at)
    grant = await queries.lock_grant(session, GrantId(row.grant_id))
    if grant is None or grant.ended_at is not None:
        raise invalid_grant_error("grant_beeindigd")
    check_grant_organisation(grant, row.organisation_kvk)
    return RedeemedCode(row.redirect_uri, row.nonce, await load_active_grant(context, grant), row.resource)


def build_token_spec(
    issuer: Issuer, request: OAuthRequest, active_grant: ActiveGrant, target: ResourceTarget
) -> TokenSpec:
    """Build the token spec from a token request, within the grant.

    Raises OAuthRefusal `invalid_target`, `invalid_authorization_details`.
    """
    form = request.form
    target = narrow_target(target, form.get("resource"))
    details = narrow_authorization_details(
        issuer.details_handler, active_grant.grant.authorization_details, form.get("authorization_details")
    )
    return TokenSpec(target, details, binding=request.binding)


def check_authorization_code(row: Any, form: dict[str, str], binding: TokenBinding, at: datetime) -> None:
    """Check that this request may redeem the code in this row. Raises OAuthRefusal `invalid_grant`."""
    if at >= min(
        row.expires_at, row.created_at + AUTHORIZATION_CODE_LIFETIME
    ):  # the MAC covers created_at, not expires_at
        raise invalid_grant_error("code_verlopen")
    if form.get("redirect_uri") != row.redirect_uri:
        raise invalid_grant_error("redirect_uri_wijkt_af")
    if not _verify_code_verifier(form.get("code_verifier", ""), row.code_challenge):
        raise invalid_grant_error("pkce_klopt_niet")
    if row.jkt is not None and row.jkt != binding.jkt:
        raise invalid_grant_error("code_voor_andere_sleutel")  # RFC 9449 section 10


def _verify_code_verifier(verifier: str, challenge: str) -> bool:
    """Verify the PKCE code verifier (RFC 7636 4.6), S256 only."""
    if _CODE_VERIFIER.fullmatch(verifier) is None:
        return False
    computed_challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return secrets.constant_time_equals(computed_challenge, challenge.encode())


async def load_active_grant(context: RequestContext, grant: Grant) -> ActiveGrant:
    """Load the grant's representation and check that it is in force. Raises OAuthRefusal `invalid_grant`."""
    found = await load_representation(context.session, context.issuer.details_handler, grant.representation_key)
    return check_grant_in_force(grant, found, context.at)


def check_grant_in_force(grant: Grant, representation: Representation | None, at: datetime) -> ActiveGrant:
    """Check the grant against its loaded representation. Raises OAuthRefusal `invalid_grant`."""
    if grant.machtiging_id is None:
        return ActiveGrant(grant, None)
    if (refusal := representation_refusal(grant, representation, at)) is not None:
        raise invalid_grant_error(refusal)
    return ActiveGrant(grant, representation)


def representation_refusal(grant: Grant, representation: Representation | None, at: datetime) -> str | None:
    """Return the reason code if the grant's person cannot act for another now."""
    if representation is None:
        return UNUSABLE
    return representation.refusal(grant.person_id, grant.organisation_kvk, grant.assurance, at)


def check_grant_organisation(grant: Grant, organisation_kvk: str | None) -> None:
    """Check that a code or refresh token has its grant's organisation. Raises OAuthRefusal `invalid_grant`."""
    if organisation_kvk != grant.organisation_kvk:
        raise invalid_grant_error(OTHER_ORGANISATION)


class AgencyGrant(ClientCredentialsGrant):  # type: ignore[misc]
    """Client credentials grant for agencies: requires a client assertion and a registered OIN."""

    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: OAuthServer
    request: OAuthRequest

    def validate_token_request(self) -> None:
        """Run Authlib's checks, then check OIN and scope.

        Raises OAuthRefusal `unauthorized_client`, `invalid_scope`.
        """
        super().validate_token_request()
        client: Client = self.request.client
        if client.oin is None:
            raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_zonder_oin")
        requested_scope = self.request.payload.scope or " ".join(sorted(client.scope))
        scope = client.get_allowed_scope(requested_scope)
        if not scope or not set(scope.split()) <= set(SCOPES_BY_GRANT_TYPE[self.GRANT_TYPE]):
            raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "scope_ongeldig")
        api = self.server.context.issuer.api_audience
        if self.request.form.get("resource", api) != api:
            raise invalid_target_error("resource_niet_toegestemd")
        if "authorization_details" in self.request.form:
            refuse_authorization_details("details_niet_toegestemd")
        self.request.scope = scope

    def generate_token(self, **_kwargs: Any) -> dict[str, Any]:
        """Build and persist the token response."""
        exchange, request = self.server.context, self.request
        access_token = token_issuance.build_client_token(
            exchange.issuer, request.client, request.scope, at=exchange.at, binding=request.binding
        )
        await_sync(self.server.persist_issued_tokens(build_client_token_response(access_token)))
        return access_token.response


def build_token_server(context: RequestContext, *additional_grants: type[BaseGrant]) -> OAuthServer:
    """Build a server with both grants and the additional ones of other packages."""
    server = OAuthServer(context)
    for grant in (CodeGrant, *additional_grants, AgencyGrant):
        server.register_grant(grant)
    return server
