"""HTTP endpoints of the authorization server: JSON for clients, HTML pages for people.

The JWKS endpoint publishes our signing keys (RFC 7517 section 5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, RedirectResponse, Response

from machtiging.access_tokens.bearer import (
    enforce_sender_constraint,
    inactive_reason,
    journal_token_refusal,
    read_authorization_header,
    wrong_audience_error,
)
from machtiging.access_tokens.sender_constraint.dpop_nonce import DPOP_NONCE_HEADER, generate_dpop_nonce
from machtiging.audit.acts import JournalAct
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, OptionalVisitor
from machtiging.kernel.errors import InvalidInput, NotAllowed, NotAuthenticated, Refusal
from machtiging.oauth import metadata, queries, token_issuance
from machtiging.oauth.authorize import pushed_requests
from machtiging.oauth.authorize.consent_page import CHOICE_PARAMETER, render_choice_page, render_consent_page
from machtiging.oauth.authorize.decision import ChoicePrompt, Redirect, decide_authorization, prepare_consent
from machtiging.oauth.authorize.unpushed_request import build_unpushed_error
from machtiging.oauth.ciba.backchannel_authentication import request_backchannel_authentication
from machtiging.oauth.ciba.routes import router as counter
from machtiging.oauth.client import Client
from machtiging.oauth.client_jwks.fetcher import retry_after_jwks_fetch
from machtiging.oauth.dependencies import build_issuer, oauth_services
from machtiging.oauth.grant_management.routes import router as management
from machtiging.oauth.introspection.routes import router as introspection
from machtiging.oauth.issuer import API_PATH
from machtiging.oauth.openid.metadata import sign_metadata
from machtiging.oauth.openid.released_claims import load_userinfo_claims
from machtiging.oauth.openid.routes import router as openid
from machtiging.oauth.openid.userinfo import build_userinfo_response as userinfo_answer
from machtiging.oauth.protocol.error_response import build_error_response, journal_oauth_refusal, log_oauth_refusal
from machtiging.oauth.protocol.grants import load_active_grant
from machtiging.oauth.protocol.introspection_revocation import REVOCATION, build_revocation_server, load_own_api_token
from machtiging.oauth.protocol.requests import (
    OAuthRequest,
    parse_query_pairs,
    read_form_request,
    read_query_request,
    validate_parameters,
)
from machtiging.oauth.protocol.server import NO_STORE, RequestContext, run_authlib
from machtiging.oauth.registration.routes import router as registration
from machtiging.oauth.token_endpoint.routes import router as token
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.errors.challenges import RESOURCE_METADATA_PATH
from machtiging.web.headers import add_header
from machtiging.web.http_methods.head import build_head_response, is_head

router = APIRouter(include_in_schema=False)
# Path prefixes that answer with OAuth errors (RFC 6749 section 5.2).
OAUTH_PATHS = ("/token", "/par", "/introspect", "/revoke", "/bc-authorize", "/register", "/grants")
# Path prefixes with our access token as the credential.
TOKEN_PATHS = (API_PATH, "/userinfo", "/grants")
_CACHEABLE = {"Cache-Control": "public, max-age=3600"}
_EndpointHandler = Callable[[RequestContext, OAuthRequest], Awaitable[Response]]


def _build_request_context(request: Request, session: AsyncSession) -> RequestContext:
    services = oauth_services(request)
    return RequestContext(session, build_issuer(services), services.clock.now())


async def _run_endpoint(
    request: Request, session: AsyncSession, refusal_act: JournalAct, handler: _EndpointHandler
) -> Response:
    """Run one OAuth endpoint in a transaction and answer refusals as OAuth errors.

    The answer is built inside the transaction, so that the journal line and side effects of a refusal (such as ending a
    grant on code replay) commit. A line is written only for an authenticated client, or for a caller with a code of
    ours.
    """
    exchange = _build_request_context(request, session)
    add_header(request.scope, DPOP_NONCE_HEADER, generate_dpop_nonce(exchange.issuer.keyring, exchange.at))
    wire: OAuthRequest | None = None
    try:
        wire = await read_form_request(request, exchange.issuer.endpoint_url(request.url.path))
        asking = wire
        services = oauth_services(request)
        return await retry_after_jwks_fetch(
            services.published_keys, services.clock, session, lambda: handler(exchange, asking)
        )
    except Refusal as refusal:
        await journal_oauth_refusal(session, wire, refusal_act, refusal, path=request.url.path, at=exchange.at)
        return build_error_response(refusal, practice=oauth_services(request).names_causes)


@router.post("/par")
async def push_authorization_request(request: Request, session: Transaction, _door: Public) -> Response:
    """Accept a pushed authorization request (RFC 9126)."""

    async def create_response(context: RequestContext, oauth_request: OAuthRequest) -> Response:
        return JSONResponse(
            await pushed_requests.push_authorization_request(context, oauth_request), 201, headers=NO_STORE
        )

    return await _run_endpoint(request, session, JournalAct.GRANT_GEWEIGERD, create_response)


@router.post("/bc-authorize")
async def start_backchannel_authentication(request: Request, session: Transaction, _door: Public) -> Response:
    """Start a CIBA authentication request (OpenID CIBA Core 1.0 section 7)."""

    async def create_response(context: RequestContext, oauth_request: OAuthRequest) -> Response:
        return JSONResponse(await request_backchannel_authentication(context, oauth_request), headers=NO_STORE)

    return await _run_endpoint(request, session, JournalAct.VERZOEK_GEWEIGERD, create_response)


router.include_router(token)
router.include_router(introspection)
router.include_router(counter)
router.include_router(openid)
router.include_router(registration)
router.include_router(management)


@router.post("/revoke")
async def revoke_token(request: Request, session: Transaction, _door: Public) -> Response:
    """Revoke a token (RFC 7009)."""

    async def create_response(context: RequestContext, oauth_request: OAuthRequest) -> Response:
        return await run_authlib(
            build_revocation_server(context), lambda it: it.create_endpoint_response(REVOCATION, oauth_request)
        )

    return await _run_endpoint(request, session, JournalAct.TOKEN_GEWEIGERD, create_response)


async def _resolve_request_uri(request: Request, session: Transaction) -> pushed_requests.RequestReference | Redirect:
    """Resolve the request_uri before login, because login may take longer than its lifetime.

    Other query parameters are ignored: only the pushed copy counts (RFC 9126 section 4). Without a request_uri, a known
    client with a registered redirect URI gets the error there.
    """
    exchange = _build_request_context(request, session)
    try:
        reference = pushed_requests.parse_reference(
            read_query_request(request, exchange.issuer.endpoint_url("/authorize")).form
        )
        await (pushed_requests.find_pending_request if is_head(request) else pushed_requests.extend_lifetime)(
            exchange, reference
        )
    except Refusal as refusal:
        log_oauth_refusal(refusal)
        back = await build_unpushed_error(exchange, parse_query_pairs(request))
        if back is None:
            raise pushed_requests.unknown_request_refusal() from refusal
        return back
    return reference


@router.get("/authorize")
async def show_authorization(
    request: Request,
    session: Transaction,
    reference: Annotated[pushed_requests.RequestReference | Redirect, Depends(_resolve_request_uri)],
    visitor: OptionalVisitor,
    _door: Public,
) -> Response:
    """Show the consent page, or redirect the person to login first as requested.

    Raises InvalidInput (a page) until the redirect URI is certain.
    """
    if isinstance(reference, Redirect):
        return RedirectResponse(reference.location, 303, headers=NO_STORE)
    if is_head(request):  # HEAD shows no page and decides nothing
        return build_head_response("text/html")
    practice = oauth_services(request).practice
    asking = await prepare_consent(
        _build_request_context(request, session),
        visitor,
        reference,
        request.query_params.get(CHOICE_PARAMETER),
        practice=practice,
    )
    if isinstance(asking, Redirect):
        return RedirectResponse(asking.location, 303, headers=NO_STORE)
    if isinstance(asking, ChoicePrompt):
        return await render_choice_page(request, session, asking)
    return await render_consent_page(request, session, asking.visitor, asking)


@router.post("/authorize")
async def submit_consent_decision(
    request: Request, session: Transaction, visitor: Citizen, _csrf: CsrfProtected
) -> Response:
    """Process the person's consent decision. Raises InvalidInput (a page), Conflict `al_besloten`."""
    pairs = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    try:
        form = validate_parameters(pairs)
    except Refusal as refusal:
        raise pushed_requests.unknown_request_refusal() from refusal
    decision = form.get("besluit")
    if decision not in ("akkoord", "weigeren"):
        raise InvalidInput("besluit_ontbreekt", message="besluit_ontbreekt.consent")
    exchange = _build_request_context(request, session)
    reference, key = pushed_requests.parse_reference(form), form.get(CHOICE_PARAMETER)
    back = await decide_authorization(exchange, visitor, reference, key, approved=decision == "akkoord")
    return RedirectResponse(back.location, 303, headers=NO_STORE)


@router.get("/userinfo")
async def get_userinfo(request: Request, session: Transaction, _door: Public) -> Response:
    """Return userinfo claims (OpenID Connect Core 5.3).

    Raises NotAuthenticated `token_*`, NotAllowed `scope_ontbreekt`.
    """
    exchange = _build_request_context(request, session)
    client, grant = await _authenticate_userinfo_token(request, exchange)
    claims = token_issuance.build_subject_claims(exchange.issuer, client, await load_active_grant(exchange, grant))
    claims |= await load_userinfo_claims(session, exchange.issuer.keyring, grant)
    return userinfo_answer(exchange.issuer, client, claims)


async def _authenticate_userinfo_token(request: Request, context: RequestContext) -> tuple[Client, queries.Grant]:
    """Authenticate the access token for userinfo; return its client and grant.

    Refusals are journalled only if the presented token was issued by us. Raises NotAuthenticated `token_*`, NotAllowed
    `scope_ontbreekt`.
    """
    session, at, shown = context.session, context.at, read_authorization_header(request)
    found = await load_own_api_token(context, shown.token)
    wrong = NotAuthenticated("token_ongeldig", message="token_ongeldig.inactive")
    if found is None:
        raise wrong
    state, facts = found.state, found.state.facts
    client = await queries.find_active_client(session, facts.client_id)
    grant = None if facts.grant_id is None else await queries.find_grant(session, facts.grant_id)
    if not found.active or client is None or grant is None:
        reason = wrong_audience_error().code if facts.grant_id is None else inactive_reason(state, at)
        raise await journal_token_refusal(session, state, wrong, at=at, reason=reason)
    await enforce_sender_constraint(request, session, state, shown, at=at)
    if "openid" not in facts.scope.split():
        narrow = NotAllowed("scope_ontbreekt")
        raise await journal_token_refusal(session, state, narrow, at=at)
    return client, grant


@router.post("/userinfo")
async def post_userinfo(request: Request, session: Transaction, door: Public) -> Response:
    """Return userinfo by POST (OpenID Connect Core 5.3.1). The token must still be in the header."""
    return await get_userinfo(request, session, door)


@router.get("/jwks")
async def get_jwks(request: Request, _door: Public) -> Response:
    """Return our public keys (RFC 7517)."""
    services = oauth_services(request)
    return _build_metadata_response(services.keyring.public_jwks(services.clock.now()))


@router.get("/.well-known/openid-configuration")
async def get_openid_configuration(request: Request, _door: Public) -> Response:
    """Return the OpenID Connect Discovery document."""
    services = oauth_services(request)
    issuer = build_issuer(services)
    return _build_metadata_response(
        sign_metadata(issuer, metadata.build_openid_configuration(issuer), services.clock.now())
    )


@router.get("/.well-known/oauth-authorization-server")
async def get_authorization_server_metadata(request: Request, _door: Public) -> Response:
    """Return the authorization server metadata (RFC 8414)."""
    services = oauth_services(request)
    issuer = build_issuer(services)
    return _build_metadata_response(
        sign_metadata(issuer, metadata.build_authorization_server_metadata(issuer), services.clock.now())
    )


@router.get(RESOURCE_METADATA_PATH)
async def get_protected_resource_metadata(request: Request, _door: Public) -> Response:
    """Return the protected resource metadata (RFC 9728), at the path of section 3.1."""
    return _build_metadata_response(metadata.build_protected_resource_metadata(build_issuer(oauth_services(request))))


def _build_metadata_response(document: dict[str, Any]) -> Response:
    return JSONResponse(document, headers=_CACHEABLE)
