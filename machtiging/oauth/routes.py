"""HTTP endpoints of the authorization server: JSON for clients, HTML pages for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, RedirectResponse, Response

from machtiging.access.bearer import credentials_in, hold_bearer, other_door, turn_away, why_closed
from machtiging.access.proof.nonce import HEADER, nonce_at
from machtiging.audit.acts import JournalAct
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, PerhapsVisitor
from machtiging.kernel.errors import InvalidInput, NotAllowed, NotAuthenticated, Refusal
from machtiging.oauth import issue, metadata, queries
from machtiging.oauth.at_once.route import router as token
from machtiging.oauth.authorize import decide, push
from machtiging.oauth.authorize.page import consent_page
from machtiging.oauth.authorize.unpushed import answer_unpushed
from machtiging.oauth.ciba.begin import begin
from machtiging.oauth.ciba.routes import router as counter
from machtiging.oauth.client import Client
from machtiging.oauth.client_jwks.fetcher import with_keys
from machtiging.oauth.dependencies import issuer_of, oauth_services
from machtiging.oauth.introspection.route import router as introspection
from machtiging.oauth.issuer import API
from machtiging.oauth.manage.routes import router as management
from machtiging.oauth.openid.metadata import signed
from machtiging.oauth.openid.release import for_userinfo
from machtiging.oauth.openid.routes import router as openid
from machtiging.oauth.openid.userinfo import answer as userinfo_answer
from machtiging.oauth.protocol.bridge import WireRequest, asked, posted, query_pairs, unique
from machtiging.oauth.protocol.grants import consented
from machtiging.oauth.protocol.refused import told, warn, write_down
from machtiging.oauth.protocol.server import NO_STORE, Exchange, run
from machtiging.oauth.protocol.token_endpoints import (
    REVOCATION,
    endpoint_server,
    token_behind,
)
from machtiging.oauth.registration.routes import router as registration
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import RESOURCE_METADATA, Public
from machtiging.web.headers import say
from machtiging.web.http_methods.head import head_response, is_head

router = APIRouter(include_in_schema=False)
# Path prefixes that answer with OAuth errors (RFC 6749 section 5.2).
OAUTH_PATHS = ("/token", "/par", "/introspect", "/revoke", "/bc-authorize", "/register", "/grants")
# Path prefixes with our access token as the credential.
TOKEN_PATHS = (API, "/userinfo", "/grants")
_MAY_BE_KEPT = {"Cache-Control": "public, max-age=3600"}
_Work = Callable[[Exchange, WireRequest], Awaitable[Response]]


def _exchange(request: Request, session: AsyncSession) -> Exchange:
    services = oauth_services(request)
    return Exchange(session, issuer_of(services), services.clock.now())


async def _answered(request: Request, session: AsyncSession, refused: JournalAct, work: _Work) -> Response:
    """Run one OAuth endpoint in a transaction and answer refusals as OAuth errors.

    The answer is built inside the transaction, so that the journal line and side effects of a refusal (such as ending a
    grant on code replay) commit. A line is written only for an authenticated client, or for a caller with a code of
    ours.
    """
    exchange = _exchange(request, session)
    say(request.scope, HEADER, nonce_at(exchange.issuer.keyring, exchange.at))
    wire: WireRequest | None = None
    try:
        wire = await posted(request, exchange.issuer.endpoint(request.url.path))
        asking = wire
        services = oauth_services(request)
        return await with_keys(services.published_keys, services.clock, session, lambda: work(exchange, asking))
    except Refusal as refusal:
        await write_down(session, wire, refused, refusal, path=request.url.path, at=exchange.at)
        return told(refusal, practice=oauth_services(request).names_causes)


@router.post("/par")
async def pushed_authorization_request(request: Request, session: Transaction, _door: Public) -> Response:
    """Accept a pushed authorization request (RFC 9126)."""

    async def work(exchange: Exchange, wire: WireRequest) -> Response:
        return JSONResponse(await push.push(exchange, wire), 201, headers=NO_STORE)

    return await _answered(request, session, JournalAct.GRANT_GEWEIGERD, work)


@router.post("/bc-authorize")
async def backchannel_request(request: Request, session: Transaction, _door: Public) -> Response:
    """Start a CIBA authentication request (OpenID CIBA Core 1.0 section 7)."""

    async def work(exchange: Exchange, wire: WireRequest) -> Response:
        return JSONResponse(await begin(exchange, wire), headers=NO_STORE)

    return await _answered(request, session, JournalAct.VERZOEK_GEWEIGERD, work)


router.include_router(token)
router.include_router(introspection)
router.include_router(counter)
router.include_router(openid)
router.include_router(registration)
router.include_router(management)


@router.post("/revoke")
async def revoke(request: Request, session: Transaction, _door: Public) -> Response:
    """Revoke a token (RFC 7009)."""

    async def work(exchange: Exchange, wire: WireRequest) -> Response:
        return await run(endpoint_server(exchange), lambda it: it.create_endpoint_response(REVOCATION, wire))

    return await _answered(request, session, JournalAct.TOKEN_GEWEIGERD, work)


async def _reference(request: Request, session: Transaction) -> push.Reference | decide.Redirect:
    """Resolve the request_uri before login, because login may take longer than its lifetime.

    Other query parameters are ignored: only the pushed copy counts (RFC 9126 section 4). Without a request_uri, a known
    client with a registered redirect URI gets the error there.
    """
    exchange = _exchange(request, session)
    try:
        reference = push.reference_from(asked(request, exchange.issuer.endpoint("/authorize")).form)
        await (push.find if is_head(request) else push.open_once)(exchange, reference)
    except Refusal as refusal:
        warn(refusal)
        back = await answer_unpushed(exchange, query_pairs(request))
        if back is None:
            raise push.unknown() from refusal
        return back
    return reference


@router.get("/authorize")
async def authorize(
    request: Request,
    session: Transaction,
    reference: Annotated[push.Reference | decide.Redirect, Depends(_reference)],
    visitor: PerhapsVisitor,
    _door: Public,
) -> Response:
    """Show the consent page, or redirect the person to login first as requested.

    Raises InvalidInput (a page) until the redirect URI is certain.
    """
    if isinstance(reference, decide.Redirect):
        return RedirectResponse(reference.location, 303, headers=NO_STORE)
    if is_head(request):  # HEAD shows no page and decides nothing
        return head_response("text/html")
    practice = oauth_services(request).practice
    asking = await decide.question(_exchange(request, session), visitor, reference, practice=practice)
    if isinstance(asking, decide.Redirect):
        return RedirectResponse(asking.location, 303, headers=NO_STORE)
    return await consent_page(request, session, asking.visitor, asking)


@router.post("/authorize")
async def answer_consent(request: Request, session: Transaction, visitor: Citizen, _csrf: CsrfProtected) -> Response:
    """Process the person's consent decision. Raises InvalidInput (a page), Conflict `al_besloten`."""
    pairs = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    try:
        form = unique(pairs)
    except Refusal as refusal:
        raise push.unknown() from refusal
    decision = form.get("besluit")
    if decision not in ("akkoord", "weigeren"):
        raise InvalidInput("besluit_ontbreekt", "Kies of u akkoord gaat of weigert.")
    exchange = _exchange(request, session)
    back = await decide.decide(exchange, visitor, push.reference_from(form), approved=decision == "akkoord")
    return RedirectResponse(back.location, 303, headers=NO_STORE)


@router.get("/userinfo")
async def userinfo(request: Request, session: Transaction, _door: Public) -> Response:
    """Return userinfo claims (OpenID Connect Core 5.3).

    Raises NotAuthenticated `token_*`, NotAllowed `scope_ontbreekt`.
    """
    exchange = _exchange(request, session)
    client, grant = await _told_about(request, exchange)
    told = issue.who(exchange.issuer, client, await consented(exchange, grant))
    told |= await for_userinfo(session, exchange.issuer.keyring, grant)
    return userinfo_answer(exchange.issuer, client, told)


async def _told_about(request: Request, exchange: Exchange) -> tuple[Client, queries.Grant]:
    """Authenticate the access token for userinfo; return its client and grant.

    Refusals are journalled only if the presented token was issued by us. Raises NotAuthenticated `token_*`, NotAllowed
    `scope_ontbreekt`.
    """
    session, at, shown = exchange.session, exchange.at, credentials_in(request)
    found = await token_behind(exchange, shown.token)
    wrong = NotAuthenticated("token_ongeldig", "Dit toegangsbewijs klopt niet of geldt niet meer.")
    if found is None:
        raise wrong
    state, facts = found.state, found.state.facts
    client = await queries.client(session, facts.client_id)
    grant = None if facts.grant_id is None else await queries.grant(session, facts.grant_id)
    if not found.live or client is None or grant is None:
        reason = other_door().code if facts.grant_id is None else why_closed(state, at)
        raise await turn_away(session, state, wrong, at=at, reason=reason)
    await hold_bearer(request, session, state, shown, at=at)
    if "openid" not in facts.scope.split():
        narrow = NotAllowed("scope_ontbreekt", "Dit toegangsbewijs is niet voor dit adres bedoeld.")
        raise await turn_away(session, state, narrow, at=at)
    return client, grant


@router.post("/userinfo")
async def userinfo_posted(request: Request, session: Transaction, door: Public) -> Response:
    """Return userinfo by POST (OpenID Connect Core 5.3.1). The token must still be in the header."""
    return await userinfo(request, session, door)


@router.get("/jwks")
async def jwks(request: Request, _door: Public) -> Response:
    """Return our public keys (RFC 7517)."""
    services = oauth_services(request)
    return _document(services.keyring.public_jwks(services.clock.now()))


@router.get("/.well-known/openid-configuration")
async def openid_configuration(request: Request, _door: Public) -> Response:
    """Return the OpenID Connect Discovery document."""
    services = oauth_services(request)
    issuer = issuer_of(services)
    return _document(signed(issuer, metadata.openid_configuration(issuer), services.clock.now()))


@router.get("/.well-known/oauth-authorization-server")
async def authorization_server(request: Request, _door: Public) -> Response:
    """Return the authorization server metadata (RFC 8414)."""
    services = oauth_services(request)
    issuer = issuer_of(services)
    return _document(signed(issuer, metadata.authorization_server(issuer), services.clock.now()))


@router.get(RESOURCE_METADATA)
async def protected_resource(request: Request, _door: Public) -> Response:
    """Return the protected resource metadata (RFC 9728), at the path of section 3.1."""
    return _document(metadata.protected_resource(issuer_of(oauth_services(request))))


def _document(document: dict[str, Any]) -> Response:
    return JSONResponse(document, headers=_MAY_BE_KEPT)
