"""The grant type client_credentials (RFC 6749 4.4), for agencies and for grant management. Pure."""

from __future__ import annotations

from machtiging.oauth.authorization_details.handler import refuse_authorization_details
from machtiging.oauth.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.request_parameters.resource_indicators import invalid_target_error
from machtiging.oauth.rules import GRANT_MANAGEMENT_SCOPES, SCOPES_BY_GRANT_TYPE
from machtiging.oauth.token_endpoint.token_request import ClientTokenRequest, TokenRequest


def decide_client_credentials(request: TokenRequest) -> ClientTokenRequest:
    """Decide on a token for the client itself. The requested scope tells for what. Raises OAuthRefusal."""
    scope = set(request.form.get("scope", "").split())
    if scope and scope <= GRANT_MANAGEMENT_SCOPES:
        return _decide_for_grant_management(request, scope)
    return _decide_for_agency(request)


def _decide_for_grant_management(request: TokenRequest, scope: set[str]) -> ClientTokenRequest:
    """Decide on a token for a client's own grants, without a person.

    This is the only use of client credentials by a client of the code flow, and only with the management scopes that it
    registered. Its one grant type stays the code (docs/divergences.md).
    """
    if request.client.grant_type != AUTHORIZATION_CODE:
        raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
    if not scope <= request.client.scope:
        raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "scope_ongeldig")
    place = request.issuer.grant_management_audience
    if request.form.get("resource", place) != place:
        raise invalid_target_error("resource_niet_toegestemd")
    return ClientTokenRequest(request.form["scope"])


def _decide_for_agency(request: TokenRequest) -> ClientTokenRequest:
    """Decide on a token for an agency: an OIN, and scopes of this grant type."""
    client, form, api = request.client, request.form, request.issuer.api_audience
    if not client.check_grant_type(CLIENT_CREDENTIALS):
        raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
    if client.oin is None:
        raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_zonder_oin")
    scope = client.get_allowed_scope(form.get("scope") or " ".join(sorted(client.scope)))
    if not scope or not set(scope.split()) <= set(SCOPES_BY_GRANT_TYPE[CLIENT_CREDENTIALS]):
        raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "scope_ongeldig")
    if form.get("resource", api) != api:
        raise invalid_target_error("resource_niet_toegestemd")
    if "authorization_details" in form:
        refuse_authorization_details("details_niet_toegestemd")
    return ClientTokenRequest(scope)
