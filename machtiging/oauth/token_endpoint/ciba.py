"""The CIBA grant type at the token endpoint (CIBA 10.1, 11)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.message_catalogue import ENGLISH, find_sentence
from machtiging.oauth import queries, token_issuance
from machtiging.oauth.ciba.poll import ApprovedPoll, auth_req_id_refusal, poll_request
from machtiging.oauth.client import CIBA, PRIVATE_KEY_JWT
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, default_description, invalid_request_error
from machtiging.oauth.openid import id_token
from machtiging.oauth.openid.released_claims import build_at_hash
from machtiging.oauth.protocol.grants import build_token_spec, load_active_grant
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.server import OAuthServer, RequestContext
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget

_AUTH_REQ_ID_CLAIM = "urn:openid:params:jwt:claim:auth_req_id"


class BackchannelGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """The token request of a client that polls with an `auth_req_id`."""

    GRANT_TYPE = CIBA
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: OAuthServer
    request: OAuthRequest

    def validate_token_request(self) -> None:
        """Authenticate the client and require an `auth_req_id`.

        Raises OAuthRefusal `invalid_client`, `unauthorized_client`, `invalid_request`.
        """
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
        if "auth_req_id" not in self.request.form:
            raise invalid_request_error("verzoek_ontbreekt")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Return the token response, or `authorization_pending` or `slow_down`.

        A pending request is no refusal, so it is not journalled.
        """
        status, body = await_sync(_build_poll_response(self.server.context, self.request))
        return status, body, self.TOKEN_RESPONSE_HEADER


async def _build_poll_response(context: RequestContext, request: OAuthRequest) -> tuple[int, dict[str, Any]]:
    found = await poll_request(context, request.client, request.form["auth_req_id"])
    if isinstance(found, ApprovedPoll):
        return 200, await _issue_tokens(context, request, found)
    error = OAuthErrorCode.SLOW_DOWN if found.slow_down else OAuthErrorCode.AUTHORIZATION_PENDING
    return 400, {"error": error.value, "error_description": find_sentence(default_description(error), ENGLISH)}


async def _issue_tokens(
    context: RequestContext, request: OAuthRequest, approved_request: ApprovedPoll
) -> dict[str, Any]:
    """Issue tokens for the approved request, by the grant as it is now.

    Raises OAuthRefusal `invalid_grant`.
    """
    if approved_request.jkt is not None and approved_request.jkt != request.binding.jkt:
        raise auth_req_id_refusal("verzoek_voor_andere_sleutel")
    grant = await queries.lock_grant(context.session, approved_request.grant_id)
    if grant is None or grant.ended_at is not None:
        raise auth_req_id_refusal("grant_beeindigd")
    try:
        active_grant = await load_active_grant(context, grant)
    except OAuthRefusal as refusal:
        raise auth_req_id_refusal(refusal.code) from refusal
    order = build_token_spec(context.issuer, request, active_grant, ResourceTarget(context.issuer.api_audience))
    issuer, client, at = context.issuer, request.client, context.at
    response = await token_issuance.issue_user_token(context.session, issuer, client, active_grant, at=at, spec=order)
    more = {
        _AUTH_REQ_ID_CLAIM: request.form["auth_req_id"],
        **build_at_hash(response["access_token"], client.id_token_alg),
    }
    return response | {"id_token": id_token.sign_id_token(issuer, client, active_grant, None, at=at, extra_claims=more)}
