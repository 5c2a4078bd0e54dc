"""Grants of the token endpoint's fast path: same checks, other database access.

Authlib dispatches and calls the same hooks as on the transactional path. Credentials are only noted here. They are
consumed together when the tokens are persisted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from machtiging.access_tokens.sender_constraint import dpop
from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.crypto import secrets
from machtiging.oauth.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN, Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.grant_management.client_credentials import ManagementGrant
from machtiging.oauth.protocol.grants import (
    AgencyGrant,
    CodeGrant,
    RedeemedCode,
    check_authorization_code,
    check_grant_in_force,
    check_grant_organisation,
)
from machtiging.oauth.protocol.refresh_grant import RefreshGrant, build_refresh_response
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.server import OAuthServer, ReadContext
from machtiging.oauth.protocol.token_binding import DpopReplay
from machtiging.oauth.protocol.token_response import IssuedTokens
from machtiging.oauth.refresh.binding import matches_binding
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget, build_target
from machtiging.oauth.token_endpoint.commit import ConsumedCredentials, consume_and_issue
from machtiging.oauth.token_endpoint.context import TokenRequestContext, extract_credential, load_token_request
from machtiging.oauth.token_issuance import ActiveGrant

SINGLE_STATEMENT_GRANT_TYPES = frozenset({AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS})


def fall_back() -> NoReturn:
    """Leave the fast path: the transactional path decides and answers the refusal."""
    raise OAuthRefusal(OAuthErrorCode.INVALID_GRANT, "niet_ineens")


class SingleStatementServer(OAuthServer):
    """OAuth server of the fast path: notes credentials until the tokens are persisted."""

    def __init__(self, context: ReadContext, form: Mapping[str, str]) -> None:
        super().__init__(context)
        self._grant_type, self._credential = form.get("grant_type", ""), extract_credential(form)
        self._loaded: dict[str, TokenRequestContext] = {}
        self._consumed = ConsumedCredentials()
        for grant in (SingleStatementCodeGrant, SingleStatementRefreshGrant, ManagementGrant, AgencyGrant):
            self.register_grant(grant)

    def query_client(self, client_id: str) -> Client | None:
        """Find the active client, and load its credential in the same statement."""
        if self._credential is None:
            return super().query_client(client_id)
        if client_id not in self._clients:
            self._clients[client_id] = await_sync(self._load_client(client_id, self._credential))
        return self._clients[client_id]

    async def _load_client(self, client_id: str, credential: str) -> Client | None:
        loaded = await load_token_request(
            self.context.executor, self.context.issuer.details_handler, self._grant_type, credential, client_id
        )
        if loaded is None:
            return None
        self._loaded[client_id] = loaded
        return loaded.client

    def get_loaded_context(self, client: Client) -> TokenRequestContext:
        """Return the loaded context of this client."""
        return self._loaded[client.client_id]

    def note_credential(self, grant_type: str, credential: str) -> None:
        """Note the code or refresh token to consume."""
        self._consumed = replace(self._consumed, credential=(grant_type, secrets.sha256_digest(credential)))

    async def consume_assertion(self, values: dict[str, Any]) -> bool:
        """Note the assertion to consume."""
        self._consumed = replace(self._consumed, assertion=values)
        return True

    async def consume_proof(self, proof: dpop.DpopProof) -> None:
        """Note the DPoP proof to consume."""
        self._consumed = replace(self._consumed, proof=dpop.build_jti_params(proof, self.context.at))

    async def persist_issued_tokens(self, issued: IssuedTokens) -> None:
        """Consume all noted credentials and persist the tokens.

        Raises DpopReplay.

        Raises OAuthRefusal (fall back) when a row changed since it was read, or the assertion was used before.
        """
        outcome = await consume_and_issue(self.context.executor, self._consumed, issued)
        if outcome is None or not outcome.assertion_unused:
            fall_back()
        if not outcome.proof_unused:
            raise DpopReplay


class SingleStatementCodeGrant(CodeGrant):
    """Authorization code grant of the fast path, from the loaded context."""

    server: SingleStatementServer
    request: OAuthRequest

    async def _redeem_code(self, code: str, client: Client) -> RedeemedCode:
        loaded, at = self.server.get_loaded_context(client), self.server.context.at
        row = loaded.credential_row
        if row is None or row.used_at is not None:
            fall_back()
        check_authorization_code(row, self.request.form, self.request.binding, at)
        self.server.note_credential(AUTHORIZATION_CODE, code)
        return RedeemedCode(row.redirect_uri, row.nonce, _check_loaded_grant(loaded, self.server), row.resource)

    async def _resolve_target(self, code: RedeemedCode) -> ResourceTarget:
        return build_target(
            self.server.context.issuer,
            code.resource,
            self.server.get_loaded_context(self.request.client).resource_server,
        )


class SingleStatementRefreshGrant(RefreshGrant):
    """Refresh grant of the fast path, from the loaded context."""

    server: SingleStatementServer
    request: OAuthRequest

    async def _issue_tokens(self) -> dict[str, Any]:
        server, request = self.server, self.request
        loaded, exchange = server.get_loaded_context(request.client), server.context
        row = loaded.credential_row
        if row is None or row.used_at is not None or exchange.at >= row.expires_at:
            fall_back()
        if not matches_binding(request.client, TokenBinding(row.jkt, row.x5t), request.binding):
            fall_back()
        server.note_credential(REFRESH_TOKEN, request.form["refresh_token"])
        target = build_target(exchange.issuer, row.resource, loaded.resource_server)
        handout = await build_refresh_response(
            exchange, request, _check_loaded_grant(loaded, server), target, row.resource
        )
        await server.persist_issued_tokens(handout)
        return handout.response


def _check_loaded_grant(loaded: TokenRequestContext, server: SingleStatementServer) -> ActiveGrant:
    if loaded.grant.ended_at is not None:
        fall_back()
    check_grant_organisation(loaded.grant, loaded.credential_row.organisation_kvk)
    return check_grant_in_force(loaded.grant, loaded.representation, server.context.at)
