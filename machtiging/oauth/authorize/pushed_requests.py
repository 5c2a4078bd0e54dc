"""Pushed authorization requests (RFC 9126): store the request, and return a `request_uri` for the browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import InvalidInput
from machtiging.oauth.authorization_details.parsing import (
    parse_authorization_details,
    refuse_own_app_acts,
    refuse_several_representations,
)
from machtiging.oauth.client import AUTH_METHOD_NONE, PRIVATE_KEY_JWT, Client
from machtiging.oauth.errors import invalid_request_error
from machtiging.oauth.grant_management.rules import GRANT_MANAGEMENT_ACTION, validate_grant_management
from machtiging.oauth.openid.authentication_request import STORED_AS, parse_authentication_request
from machtiging.oauth.protocol.authorization_request import build_authorization_server
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.server import OAuthServer, RequestContext, run_authlib
from machtiging.oauth.protocol.token_binding import resolve_code_binding, verify_par_proof
from machtiging.oauth.request_parameters.request_object import RequestObjectContext, verify_request_object
from machtiging.oauth.request_parameters.resource_indicators import find_target
from machtiging.oauth.rules import (
    CONSENT_DECISION_TIMEOUT,
    REQUEST_URI_LIFETIME,
)
from machtiging.oauth.tables import SEALED_PUSHED_REQUEST, PushedRequest
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_PUSHED = table_of(PushedRequest)
REQUEST_URI_PREFIX = "urn:ietf:params:oauth:request_uri:"
_MAX_REQUEST_URI_LENGTH = 128
# The parameters that the decision reads. Others are checked once at the push, or ignored (RFC 6749 3.1).
_STORED_PARAMETERS = (
    "acr_values",
    "authorization_details",
    "code_challenge",
    "code_challenge_method",
    GRANT_MANAGEMENT_ACTION,
    "nonce",
    "redirect_uri",
    "resource",
    "response_type",
    "scope",
    "state",
)
_MAX_PARAMETERS_BYTES = 8 * 1024
# These parameters change the meaning of a request. To ignore them would be a silent downgrade.
_UNSUPPORTED_PARAMETERS = ("registration", "request_uri")


@dataclass(frozen=True, slots=True)
class RequestReference:
    """The client id and `request_uri` in an authorization request of the browser."""

    client_id: str
    request_uri: str


@dataclass(frozen=True, slots=True)
class PushedAuthorizationRequest:
    """The stored authorization request: the only source of parameters (RFC 9126 4)."""

    client_id: str
    parameters: dict[str, Any]
    pushed_at: datetime
    sent_to_login: bool


def parse_reference(parameters: dict[str, str]) -> RequestReference:
    """Parse the reference in a query or form.

    Raises InvalidInput: an error page, never a redirect (RFC 9126 4).
    """
    client_id, request_uri = parameters.get("client_id", ""), parameters.get("request_uri", "")
    if not client_id or not request_uri.startswith(REQUEST_URI_PREFIX) or len(request_uri) > _MAX_REQUEST_URI_LENGTH:
        raise unknown_request_refusal()
    return RequestReference(client_id, request_uri)


def unknown_request_refusal() -> InvalidInput:
    """Build the one refusal for every wrong reference: an error page for the person."""
    return InvalidInput(
        "verzoek_onbekend",
    )


async def push_authorization_request(context: RequestContext, request: OAuthRequest) -> dict[str, Any]:
    """Validate and store an authorization request; return the response of RFC 9126 2.2.

    Raises OAuthRefusal.
    """
    server = build_authorization_server(context)
    client = await run_authlib(
        server, lambda it: it.authenticate_client(request, [PRIVATE_KEY_JWT, AUTH_METHOD_NONE], "par")
    )
    proven = await verify_par_proof(context.session, context.issuer.keyring, request, context.at)
    desk = RequestObjectContext(context.session, context.issuer.url, context.at)
    request = request.with_parameters(await verify_request_object(desk, client, request.form))
    _reject_unsupported_parameters(request)
    target = await find_target(context.session, context.issuer, request.form.get("resource"))
    wishes = parse_authentication_request(request.form, client, context.issuer)
    parameters = _select_stored_parameters(request) | {
        "client_id": client.client_id,
        STORED_AS: wishes.to_stored_json(),
    }
    bound = resolve_code_binding(request, proven)
    if bound is not None:
        parameters["dpop_jkt"] = bound
    await run_authlib(server, lambda it: validate_authorization_request(it, context, parameters))
    wanted = parse_authorization_details(context.issuer.details_handler, parameters.get("authorization_details"))
    if target.resource_server is not None:
        refuse_own_app_acts(wanted, "handeling_alleen_hier")
        refuse_several_representations(wanted, "meer_machtigingen_alleen_hier")
    validate_grant_management(request.form, has_machtiging=wanted is not None and wanted.names_another)
    if wanted is None and "openid" not in parameters.get("scope", "").split():
        raise invalid_request_error("niets_gevraagd")
    request_uri = await _store_pushed_request(context, client.client_id, parameters)
    return {"request_uri": request_uri, "expires_in": int(REQUEST_URI_LIFETIME.total_seconds())}


async def _store_pushed_request(context: RequestContext, client_id: str, parameters: dict[str, Any]) -> str:
    """Store the validated request under the hash of a new request URI. Returns the URI."""
    request_uri = REQUEST_URI_PREFIX + secrets.generate_token()
    row = {
        "uri_hash": secrets.sha256_digest(request_uri),
        "client_id": client_id,
        "params": parameters,
        "created_at": context.at,
        "expires_at": context.at + REQUEST_URI_LIFETIME,
    }
    await context.session.execute(insert(_PUSHED), seal_row(context.session, SEALED_PUSHED_REQUEST, row))
    return request_uri


def _select_stored_parameters(request: OAuthRequest) -> dict[str, Any]:
    """Select the parameters to store, at most 8 KB.

    Anybody can name a public client, so other parameters may not fill the database. Raises OAuthRefusal
    `invalid_request`.
    """
    stored = {name: request.form[name] for name in _STORED_PARAMETERS if name in request.form}
    if sum(len(name) + len(value.encode()) for name, value in stored.items()) > _MAX_PARAMETERS_BYTES:
        raise invalid_request_error("verzoek_te_groot")
    return stored


def _reject_unsupported_parameters(request: OAuthRequest) -> None:
    form = request.form
    for name in _UNSUPPORTED_PARAMETERS:
        if name in form:
            raise invalid_request_error("parameter_niet_ondersteund", name=name)
    if "response_type" not in form:
        raise invalid_request_error("response_type_ontbreekt")
    if form.get("response_mode", "query") != "query":
        raise invalid_request_error("parameter_niet_ondersteund", variant="response_mode")


def validate_authorization_request(server: OAuthServer, context: RequestContext, parameters: dict[str, Any]) -> Any:
    """Validate an authorization request with Authlib; return its grant object.

    Raises OAuthRefusal or OAuth2Error.
    """
    return server.get_consent_grant(OAuthRequest("GET", context.issuer.endpoint_url("/authorize"), parameters, {}))


async def extend_lifetime(context: RequestContext, reference: RequestReference) -> None:
    """Extend the lifetime of a pending request to the decision time, when the browser arrives.

    Raises InvalidInput.
    """
    mine = _match_pending(context, reference)
    longer = update(_PUSHED).where(*mine).values(expires_at=_PUSHED.c.created_at + CONSENT_DECISION_TIMEOUT)
    if await context.session.scalar(longer.returning(_PUSHED.c.client_id)) is None:
        raise unknown_request_refusal()


async def find_pending_request(context: RequestContext, reference: RequestReference) -> PushedAuthorizationRequest:
    """Load the pending request. Raises InvalidInput."""
    row = (await context.session.execute(select(_PUSHED).where(*_match_pending(context, reference)))).one_or_none()
    return await _authenticate_request_row(context, row)


async def mark_sent_to_login(context: RequestContext, reference: RequestReference) -> None:
    """Mark the request as sent to login, so that step-up happens once."""
    mine = update(_PUSHED).where(*_match_pending(context, reference))
    await context.session.execute(mine.values(sent_to_login_at=context.at))


async def _authenticate_request_row(context: RequestContext, row: Row[Any] | None) -> PushedAuthorizationRequest:
    """Build the request from a row.

    Raises InvalidInput for no row, a forged row, and a row older than the decision time.
    """
    if row is None or not await authenticate_row(context.session, SEALED_PUSHED_REQUEST, row, at=context.at):
        raise unknown_request_refusal()
    if row.created_at + CONSENT_DECISION_TIMEOUT <= context.at:
        raise unknown_request_refusal()
    return PushedAuthorizationRequest(row.client_id, row.params, row.created_at, row.sent_to_login_at is not None)


async def consume_request(context: RequestContext, reference: RequestReference) -> PushedAuthorizationRequest | None:
    """Consume the pending request and return it. None when it was decided before.

    Raises InvalidInput for a forged or outdated row.
    """
    using = update(_PUSHED).where(*_match_pending(context, reference)).values(used_at=context.at)
    row = (await context.session.execute(using.returning(*_PUSHED.c))).one_or_none()
    return None if row is None else await _authenticate_request_row(context, row)


async def restore_request(context: RequestContext, reference: RequestReference) -> None:
    """Make a request pending again that this transaction consumed: nothing was decided."""
    await context.session.execute(update(_PUSHED).where(*_match_reference(reference)).values(used_at=None))


async def find_consumed_request(context: RequestContext, reference: RequestReference) -> PushedAuthorizationRequest:
    """Load a consumed request. Raises InvalidInput."""
    mine = (*_match_reference(reference), _PUSHED.c.used_at.is_not(None), _PUSHED.c.expires_at > context.at)
    return await _authenticate_request_row(
        context, (await context.session.execute(select(_PUSHED).where(*mine))).one_or_none()
    )


def _match_reference(reference: RequestReference) -> tuple[Any, ...]:
    digest = secrets.sha256_digest(reference.request_uri)
    return _PUSHED.c.uri_hash == digest, _PUSHED.c.client_id == reference.client_id


def _match_pending(context: RequestContext, reference: RequestReference) -> tuple[Any, ...]:
    return (*_match_reference(reference), _PUSHED.c.used_at.is_(None), _PUSHED.c.expires_at > context.at)


def verify_redirect_uri(client: Client, request: PushedAuthorizationRequest) -> str:
    """Return the redirect URI of the request, if it is still registered.

    Raises InvalidInput.
    """
    uri: str = request.parameters.get("redirect_uri", "")
    if not client.check_redirect_uri(uri):
        raise unknown_request_refusal()
    return uri
