"""Assembly of the application from the settings. The only module that connects all parts."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.staticfiles import StaticFiles

from machtiging.access.bearer import verified_jti
from machtiging.access.engine import Policy
from machtiging.audit.head_keeper import HeadKeeper
from machtiging.audit.sealer import run_sealer
from machtiging.berichtenbox.routes import LARGER_BODIES
from machtiging.berichtenbox.routes import router as berichtenbox_routes
from machtiging.crypto.certificates import Authorities
from machtiging.crypto.keyring import KeyRing, run_watch
from machtiging.delegation.rules import Limits
from machtiging.dependencies import attach_services, services_of
from machtiging.health import HealthServices
from machtiging.health import router as health_routes
from machtiging.identity.broker import Broker
from machtiging.identity.people import address_of, profile_of
from machtiging.identity.routes import router as identity_routes
from machtiging.identity.rules import SessionLimits
from machtiging.identity.session import COOKIE as SESSION_COOKIE
from machtiging.kernel.clock import Clock, SystemClock
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId
from machtiging.notifications.send import Mailer, run_sender
from machtiging.notifications.undelivered import retry_undelivered
from machtiging.oauth.client_jwks.fetcher import PublishedKeys
from machtiging.oauth.clients.browser_origins import FOR_BROWSER_APPS, PUBLIC_DOCUMENTS, BrowserOrigins
from machtiging.oauth.clients.known import KnownClients
from machtiging.oauth.dependencies import OAuthServices, issuer_of
from machtiging.oauth.manage.api import router as toestemmingen_routes
from machtiging.oauth.openid.expire import expire_sessions
from machtiging.oauth.openid.notices import session_ended
from machtiging.oauth.openid.send import LogoutSender, posting_by, send_waiting
from machtiging.oauth.routes import OAUTH_PATHS, TOKEN_PATHS
from machtiging.oauth.routes import router as oauth_routes
from machtiging.oauth.sweep import sweep_expired
from machtiging.portal import error_pages
from machtiging.portal.routes import router as portal_routes
from machtiging.settings import Environment, Settings, is_loopback
from machtiging.storage.engine import Role, make_engine
from machtiging.storage.reserved import SessionsWithReserve
from machtiging.supervision import BackgroundTasks, TaskRecord, repeat
from machtiging.web import headers, limits, openapi, problems, short_way
from machtiging.web.http_methods import cors, head
from machtiging.web.http_methods.cors import CorsRules
from machtiging.web.outbound.addresses import Reach, networks_from
from machtiging.web.outbound.visit import Outbound
from machtiging.web.pages import Pages
from machtiging.web.rate_limit import middleware as rate_limit
from machtiging.web.rate_limit.callers import CallerIdentifier
from machtiging.web.rate_limit.client_address import ClientAddressResolver
from machtiging.web.rate_limit.limiter import CallerKind, Quota
from machtiging.web.tls import tls_context

_HOUSEKEEPING_SECONDS = 1.0
_KEYS_LOOKED_AT_SECONDS = 2.0
_SESSIONS_LOOKED_AT_SECONDS = 15.0
_SWEPT_EVERY_SECONDS = 15.0
_ROUTERS = (berichtenbox_routes, toestemmingen_routes, health_routes, identity_routes, oauth_routes, portal_routes)
_PACKAGES_WITH_TEMPLATES = ("machtiging.portal", "machtiging.oauth", "machtiging.identity", "machtiging.web")


@dataclass(frozen=True, kw_only=True)
class Services(OAuthServices, HealthServices):
    """Every service of one application, built once from its settings; each package sees the part that it declares."""

    engines: tuple[AsyncEngine, ...]
    sealer_engine: AsyncEngine
    head_keeper: HeadKeeper | None
    mailer: Mailer


def create_app(
    settings: Settings, *, clock: Clock | None = None, broker_transport: httpx.AsyncBaseTransport | None = None
) -> FastAPI:
    """Create the application for one installation. `settings.database_url` must be set.

    Raises Fault when the key ring, the policy or the settings are not fit to serve with.
    """
    if settings.database_url is None:
        raise Fault("database_niet_genoemd", private="create_app needs settings.database_url")
    refuse_unsafe(settings)
    app = FastAPI(
        title="Machtigen",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # No telemetry to others: the log and the journal hold what operators need.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    services = _build_services(settings, settings.database_url, clock or SystemClock(), broker_transport)
    attach_services(app, services)
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(packages=[("machtiging.web", "static")]), name="static")
    _install_layers(app, settings)
    return app


def _install_layers(app: FastAPI, settings: Settings) -> None:
    """Install error handlers and middleware. The order matters.

    Up to the direct routes, each layer is inside the one before. HEAD, CORS and headers each wrap all earlier layers.
    """
    openapi.install(app, issuer=settings.issuer)
    problems.install(app)
    error_pages.install(app)
    _limit_rates(app, settings)
    limits.install(app, larger=LARGER_BODIES)
    short_way.install(app)
    head.install(app)
    cors.install(app, CorsRules(public=PUBLIC_DOCUMENTS, for_clients=FOR_BROWSER_APPS), BrowserOrigins)
    headers.install(app, issuer=settings.issuer)


def refuse_unsafe(settings: Settings) -> None:
    """Refuse settings that are unsafe in this environment, such as http in production.

    Raises Fault `instellingen_onveilig` with the settings to change.
    """
    complaints = _unsafe_in_production(settings) if settings.env is Environment.PRODUCTION else _unsafe_in(settings)
    if complaints:
        raise Fault("instellingen_onveilig", private=" ".join(complaints))


def _unsafe_in_production(settings: Settings) -> list[str]:
    addresses = {name: getattr(settings, name) for name in ("issuer", "broker_issuer", "mtls_url")}
    names = [name for name, url in addresses.items() if url is not None and not url.startswith("https://")]
    complaints = [f"In production MACHTIGING_{name.upper()} must begin with https://." for name in names]
    if not (settings.smtp_starttls or is_loopback(settings.smtp_host)):
        place = "with a mail server on another machine"
        complaints.append(f"In production, {place}, MACHTIGING_SMTP_STARTTLS=true must be set.")
    for name in ("trusted_proxies", "forwarding_proxies"):
        if any(network.prefixlen == 0 for network in networks_from(getattr(settings, name))):
            complaints.append(f"In production MACHTIGING_{name.upper()} names the proxies, not everybody.")
    return complaints


def _unsafe_in(settings: Settings) -> list[str]:
    """Find unsafe settings outside production. Tests may use hosts under .test (RFC 6761: nobody owns them)."""
    try:
        host = urlsplit(settings.issuer).hostname or ""
    except ValueError:
        host = ""
    if is_loopback(host) or (settings.env is Environment.TEST and host.endswith(".test")):
        return []
    how = "Set MACHTIGING_ENV=production, or let MACHTIGING_ISSUER begin with http://localhost."
    return [f"MACHTIGING_ISSUER is not this machine, and MACHTIGING_ENV is {settings.env}. {how}"]


def outbound_of(settings: Settings) -> Outbound:
    """Build the HTTP client for addresses of OAuth clients (SSRF guard). Raises Fault `autoriteiten_onleesbaar`."""
    reach = Reach(networks_from(settings.allowed_fetch_networks), practice=settings.env is not Environment.PRODUCTION)
    return Outbound(reach, tls=tls_context(settings.fetch_ca_file))


def head_keeper_of(settings: Settings, keyring: KeyRing, outbound: Outbound) -> HeadKeeper | None:
    """Build the keeper of signed journal heads. None when no setting names a file or address."""
    if settings.journal_head_file is None and settings.journal_head_url is None:
        return None
    return HeadKeeper(keyring, settings.journal_head_file, settings.journal_head_url, outbound)


def _limit_rates(app: FastAPI, settings: Settings) -> None:
    quotas = {
        kind: Quota(
            getattr(settings, f"{kind}_requests_in_flight"), getattr(settings, f"{kind}_requests_per_minute")
        ).share(settings.processes)
        for kind in CallerKind
    }
    # A proxy trusted for client certificates is trusted for client addresses.
    proxies = (*networks_from(settings.trusted_proxies), *networks_from(settings.forwarding_proxies))

    def make_identifier() -> CallerIdentifier:
        addresses = ClientAddressResolver(proxies, settings.forwarded_header)
        return CallerIdentifier(verified_jti, addresses, session_cookie=SESSION_COOKIE, token_paths=TOKEN_PATHS)

    rate_limit.install(app, quotas=quotas, make_identifier=make_identifier, oauth_paths=OAUTH_PATHS)


def _build_services(
    settings: Settings, database_url: str, clock: Clock, transport: httpx.AsyncBaseTransport | None
) -> Services:
    keyring = KeyRing.load(settings.keys_dir, clock=clock)
    reserve = min(settings.reserved_connections, settings.database_pool_size - 1)
    service = make_engine(database_url, Role.SERVICE, pool_size=settings.database_pool_size - reserve)
    reserved = make_engine(database_url, Role.SERVICE, pool_size=reserve)
    sealer = make_engine(settings.sealer_database_url or database_url, Role.SEALER, pool_size=1)
    sessions, outbound = SessionsWithReserve(service, reserved, keyring), outbound_of(settings)
    return Services(
        clock=clock,
        keyring=keyring,
        engines=(service, sealer, reserved),
        sessions=sessions,
        sealer_engine=sealer,
        policy=Policy.load(settings.policies_dir),
        issuer=settings.issuer,
        practice=settings.env is not Environment.PRODUCTION,
        pages=Pages(_PACKAGES_WITH_TEMPLATES),
        trusted_proxies=networks_from(settings.trusted_proxies),
        authorities=Authorities.load(settings.client_ca_file),
        mtls_url=settings.mtls_url,
        outbound=outbound,
        head_keeper=head_keeper_of(settings, keyring, outbound),
        published_keys=PublishedKeys(sessions, outbound),
        known_clients=KnownClients(),
        broker=_build_broker(settings, keyring, transport),
        session_limits=SessionLimits(
            idle=timedelta(minutes=settings.session_idle_minutes), absolute=timedelta(hours=settings.session_hours)
        ),
        delegation_limits=Limits(
            maximum_length=settings.maximum_length, code_valid=timedelta(days=settings.code_valid_days)
        ),
        access_token_seconds=settings.access_token_seconds,
        on_session_end=session_ended,
        on_new_address=retry_undelivered,
        mailer=Mailer(settings.smtp_host, settings.smtp_port, settings.smtp_starttls, settings.mail_from),
        background=BackgroundTasks(),
    )


def _build_broker(settings: Settings, keyring: KeyRing, transport: httpx.AsyncBaseTransport | None) -> Broker:
    return Broker(
        issuer=settings.broker_issuer,
        client_id=settings.broker_client_id,
        redirect_uri=f"{settings.issuer}/inloggen/terug",
        keyring=keyring,
        transport=transport,
        patience=settings.broker_timeout_seconds,
        wait=settings.broker_wait_seconds,
    )


def _start_background(services: Services) -> None:
    tasks, stop = services.background, services.background.stop
    sessions, keyring, clock = services.sessions, services.keyring, services.clock

    async def address(session: AsyncSession, person_id: PersonId) -> str | None:
        return await address_of(session, keyring, person_id)

    async def name(session: AsyncSession, person_id: PersonId) -> str | None:
        profile = await profile_of(session, keyring, person_id)
        return profile.name if profile else None

    async def seal(record: TaskRecord) -> None:
        at = (services.sealer_engine, keyring, clock)
        await run_sealer(*at, every=_HOUSEKEEPING_SECONDS, stop=stop, keeper=services.head_keeper, record=record)

    async def send(record: TaskRecord) -> None:
        post = (sessions, address, services.mailer, clock)
        await run_sender(*post, every=_HOUSEKEEPING_SECONDS, stop=stop, name_of=name, record=record)

    async def tell(record: TaskRecord) -> None:
        sender = LogoutSender(sessions, issuer_of(services), clock, posting_by(services.outbound))
        await repeat(partial(send_waiting, sender), record, every=_HOUSEKEEPING_SECONDS, stop=stop)

    async def expire(record: TaskRecord) -> None:
        expiring = partial(expire_sessions, sessions, services.session_limits, clock)
        await repeat(expiring, record, every=_SESSIONS_LOOKED_AT_SECONDS, stop=stop)

    async def sweep(record: TaskRecord) -> None:
        await repeat(partial(sweep_expired, sessions, clock), record, every=_SWEPT_EVERY_SECONDS, stop=stop)

    async def watch(record: TaskRecord) -> None:
        await run_watch(keyring, every=_KEYS_LOOKED_AT_SECONDS, stop=stop, record=record)

    named = {"zegelen": seal, "post": send, "uitlogberichten": tell, "sessies": expire, "opruimen": sweep}
    for task, run in (named | {"sleutelwacht": watch}).items():
        tasks.start(task, run)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the background tasks while the service runs. Then stop them and close the pools."""
    services = replace(services_of(app, Services), background=BackgroundTasks())
    attach_services(app, services)
    _start_background(services)
    # Objects created so far live until the end. Frozen, they are skipped by garbage collection.
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        await services.background.end(patience=10)
        await services.broker.aclose()
        for engine in services.engines:
            await engine.dispose()
