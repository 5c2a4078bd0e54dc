"""Assembly of the application from the settings. The only module that connects all parts."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.staticfiles import StaticFiles

from machtiging import health
from machtiging.access.entitlements.engine import Entitlements
from machtiging.access.oversight.policy_versions import record_policy_version
from machtiging.access.policy_engine import Policy
from machtiging.access_tokens.bearer import read_signed_jti
from machtiging.audit.head_anchor import HeadAnchor
from machtiging.berichtenbox import routes as berichtenbox_routes
from machtiging.berichtenbox.authorization_details.handler import BerichtenboxHandler
from machtiging.berichtenbox.caseload.routes import router as client_routes
from machtiging.berichtenbox.decision_point.sender_letters import SenderLetters
from machtiging.berichtenbox.machtigingen.routes import router as machtiging_routes
from machtiging.crypto.certificates import CertificateAuthorities
from machtiging.crypto.keyring import KeyRing, watch_key_ring
from machtiging.delegation.assignment_tasks.routes import TASK_BODY_LIMITS
from machtiging.delegation.assignment_tasks.routes import router as task_routes
from machtiging.delegation.assignments.four_eyes_routes import router as four_eyes_routes
from machtiging.delegation.assignments.routes import router as assignment_routes
from machtiging.delegation.caseload.login import handle_login
from machtiging.delegation.handover.routes import router as handover_routes
from machtiging.delegation.help_requests.routes import router as request_routes
from machtiging.delegation.renewals.routes import router as renewal_routes
from machtiging.delegation.rules import MachtigingLimits
from machtiging.delegation.stand_ins.routes import router as stand_in_routes
from machtiging.delegation.statutory.precedence import read_precedence
from machtiging.delegation.team_members.routes import router as team_routes
from machtiging.dependencies import attach_services, services_of
from machtiging.identity.broker import Broker
from machtiging.identity.routes import router as identity_routes
from machtiging.identity.rules import SessionLimits
from machtiging.identity.session import SESSION_COOKIE as SESSION_COOKIE
from machtiging.journalled_tables import JOURNALLED_TABLES
from machtiging.kernel.clock import Clock, SystemClock
from machtiging.kernel.errors import Fault
from machtiging.notifications.delivery_failures import retry_undelivered
from machtiging.notifications.outbox_dispatcher import Mailer
from machtiging.notifications.texts import MailContact
from machtiging.oauth.client_jwks.fetcher import JwksFetcher
from machtiging.oauth.clients.cors_origins import BROWSER_APP_PATHS, PUBLIC_DOCUMENT_PATHS, CorsOrigins
from machtiging.oauth.grant_management.consents_api import router as toestemmingen_routes
from machtiging.oauth.openid.logout_notices import handle_session_end
from machtiging.oauth.routes import OAUTH_PATHS, TOKEN_PATHS
from machtiging.oauth.routes import router as oauth_routes
from machtiging.operator_content.help_contact import PRACTICE_HELP, HelpContact, load_help_points
from machtiging.operator_content.service_changes import load_service_changes
from machtiging.operator_content.yaml_file import BilingualText
from machtiging.organisations.employee_routes import router as employee_routes
from machtiging.organisations.invitations.routes import router as invitation_routes
from machtiging.organisations.routes import router as organisations_routes
from machtiging.portal import error_pages
from machtiging.portal.public_pages.dependencies import PORTAL_TEMPLATES, PortalServices
from machtiging.portal.routes import router as portal_routes
from machtiging.registers.intake import read_register_kinds
from machtiging.registers.routes import router as register_routes
from machtiging.settings import Environment, Settings, is_loopback
from machtiging.simulators.practice_page import router as practice_routes
from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.migration_runner import require_newest_schema
from machtiging.storage.reserved_connections import SessionsWithReserve
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.supervision import TaskRecord, TaskSupervisor, run_until_done
from machtiging.verification.authzen.dependencies import AuthzenServices
from machtiging.verification.authzen.metadata import API_PATH as AUTHZEN_API_PATH
from machtiging.verification.authzen.routes import router as authzen_routes
from machtiging.verification.authzen.tenants import TENANT_PREFIX, load_tenants
from machtiging.verification.routes import VERIFICATION_BODY_LIMITS
from machtiging.verification.routes import public_router as proof_key_routes
from machtiging.verification.routes import router as verification_routes
from machtiging.web import body_limits, direct_routes, headers, language, openapi
from machtiging.web.errors.handlers import install_error_handlers
from machtiging.web.http_methods import cors, head
from machtiging.web.http_methods.cors import CorsRules
from machtiging.web.outbound.http_client import OutboundHttpClient
from machtiging.web.outbound.ssrf_policy import SsrfPolicy, parse_networks
from machtiging.web.outbound.ssrf_transport import SsrfGuardTransport
from machtiging.web.outbound.tls import tls_context
from machtiging.web.pages import PageRenderer
from machtiging.web.rate_limit import middleware as rate_limit
from machtiging.web.rate_limit.callers import CallerIdentifier
from machtiging.web.rate_limit.client_address import ClientAddressResolver
from machtiging.web.rate_limit.limiter import CallerKind, Quota
from machtiging.worker.dependencies import WorkerServices
from machtiging.worker.loops import run_worker_loops

_KEY_RING_CHECK_SECONDS = 2.0
_POLICY_RECORD_SECONDS = 5.0
ROUTERS = (
    *(berichtenbox_routes.router, machtiging_routes, client_routes, toestemmingen_routes),
    *(organisations_routes, employee_routes, assignment_routes, four_eyes_routes, handover_routes, stand_in_routes),
    *(request_routes, renewal_routes, invitation_routes, team_routes, task_routes),
    *(health.router, identity_routes, oauth_routes),
    *(register_routes, verification_routes, proof_key_routes, authzen_routes, portal_routes),
)
# Path prefixes where our access token is the credential.
_TOKEN_PATHS = (*TOKEN_PATHS, AUTHZEN_API_PATH, TENANT_PREFIX)
_DETAILS_HANDLER = BerichtenboxHandler()
_TEMPLATE_PACKAGES = (*PORTAL_TEMPLATES, "machtiging.oauth", "machtiging.identity", "machtiging.web")
_PRACTICE_TEMPLATE_PACKAGES = (*_TEMPLATE_PACKAGES, "machtiging.simulators")  # last: those of the service win
# Practice has invented values for these.
_OPERATOR_CONTENT = (
    *("service_owner", "help_phone", "help_hours", "help_hours_en", "help_points_file", "service_changes_file"),
    *("accessibility_email", "privacy_email"),
)
_Transport = httpx.AsyncBaseTransport | None


@dataclass(frozen=True, kw_only=True)
class Services(PortalServices, AuthzenServices, health.HealthServices, WorkerServices):
    """Every service of one application, built once from its settings. Each package sees the part that it declares."""

    engines: tuple[AsyncEngine, ...]
    worker_inside: bool


def create_app(
    settings: Settings, *, clock: Clock | None = None, broker_transport: httpx.AsyncBaseTransport | None = None
) -> FastAPI:
    """Create the application for one installation. `settings.database_url` must be set.

    Raises Fault when the key ring, the policy or the settings are not fit to serve with.
    """
    if settings.database_url is None:
        raise Fault("database_niet_genoemd", private="create_app needs settings.database_url")
    refuse_unsafe_settings(settings)
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
    services = build_services(settings, settings.database_url, clock or SystemClock(), broker_transport)
    tenants = load_tenants(settings.authzen_tenants_dir, practice=services.practice)
    attach_services(app, replace(services, authzen_tenants=tenants, letters=SenderLetters()))
    for router in ROUTERS:
        app.include_router(router)
    if services.practice:
        app.include_router(practice_routes)
    app.mount("/static", StaticFiles(packages=[("machtiging.web", "static")]), name="static")
    _install_middleware(app, settings)
    return app


def _install_middleware(app: FastAPI, settings: Settings) -> None:
    """Install error handlers and middleware. The order matters.

    Up to the direct routes, each layer is inside the one before. HEAD, language, CORS and headers each wrap all
    earlier layers.
    """
    openapi.install(app, issuer=settings.issuer)
    install_error_handlers(app)
    error_pages.install(app)
    _install_rate_limits(app, settings)
    large_bodies = {**berichtenbox_routes.BODY_LIMITS, **TASK_BODY_LIMITS, **VERIFICATION_BODY_LIMITS}
    body_limits.install(app, max_bytes_by_path=large_bodies)
    direct_routes.install(app)
    head.install(app)
    language.install(app)
    cors.install(app, CorsRules(public=PUBLIC_DOCUMENT_PATHS, for_clients=BROWSER_APP_PATHS), CorsOrigins)
    headers.install(app, issuer=settings.issuer)


def refuse_unsafe_settings(settings: Settings) -> None:
    """Refuse settings that are unsafe in this environment, such as http in production.

    Raises Fault `instellingen_onveilig` with the settings to change.
    """
    complaints = (
        _find_production_faults(settings) if settings.env is Environment.PRODUCTION else _find_practice_faults(settings)
    )
    if complaints:
        raise Fault("instellingen_onveilig", private=" ".join(complaints))


def _find_production_faults(settings: Settings) -> list[str]:
    addresses = {name: getattr(settings, name) for name in ("issuer", "broker_issuer", "mtls_url")}
    names = [name for name, url in addresses.items() if url is not None and not url.startswith("https://")]
    complaints = [f"In production MACHTIGING_{name.upper()} must begin with https://." for name in names]
    if not (settings.smtp_starttls or is_loopback(settings.smtp_host)):
        place = "with a mail server on another machine"
        complaints.append(f"In production, {place}, MACHTIGING_SMTP_STARTTLS=true must be set.")
    for name in ("trusted_proxies", "forwarding_proxies"):
        if any(network.prefixlen == 0 for network in parse_networks(getattr(settings, name))):
            complaints.append(f"In production MACHTIGING_{name.upper()} names the proxies, not everybody.")
    unset = [f"MACHTIGING_{name.upper()}" for name in _OPERATOR_CONTENT if getattr(settings, name) is None]
    if unset:
        complaints.append(f"In production the help for people is not invented: set {', '.join(unset)}.")
    return complaints


def _find_practice_faults(settings: Settings) -> list[str]:
    """Find unsafe settings outside production. Tests may use hosts under .test (RFC 6761: nobody owns them)."""
    try:
        host = urlsplit(settings.issuer).hostname or ""
    except ValueError:
        host = ""
    if is_loopback(host) or (settings.env is Environment.TEST and host.endswith(".test")):
        return []
    how = "Set MACHTIGING_ENV=production, or let MACHTIGING_ISSUER begin with http://localhost."
    return [f"MACHTIGING_ISSUER is not this machine, and MACHTIGING_ENV is {settings.env}. {how}"]


def build_outbound(settings: Settings) -> OutboundHttpClient:
    """Build the HTTP client for addresses of OAuth clients (SSRF guard). Raises Fault `autoriteiten_onleesbaar`."""
    reach = SsrfPolicy(
        parse_networks(settings.allowed_fetch_networks), practice=settings.env is not Environment.PRODUCTION
    )
    return OutboundHttpClient(SsrfGuardTransport(reach, tls=tls_context(settings.fetch_ca_file)))


def build_head_keeper(settings: Settings, keyring: KeyRing, outbound: OutboundHttpClient) -> HeadAnchor | None:
    """Build the keeper of signed journal heads. None when no setting names a file or address."""
    if settings.journal_head_file is None and settings.journal_head_url is None:
        return None
    return HeadAnchor(keyring, settings.journal_head_file, settings.journal_head_url, outbound)


def _install_rate_limits(app: FastAPI, settings: Settings) -> None:
    quotas = {
        kind: Quota(
            getattr(settings, f"{kind}_requests_in_flight"), getattr(settings, f"{kind}_requests_per_minute")
        ).divide_among(settings.processes)
        for kind in CallerKind
    }
    # A proxy trusted for client certificates is trusted for client addresses.
    proxies = (*parse_networks(settings.trusted_proxies), *parse_networks(settings.forwarding_proxies))

    def make_identifier() -> CallerIdentifier:
        addresses = ClientAddressResolver(proxies, settings.forwarded_header)
        return CallerIdentifier(read_signed_jti, addresses, session_cookie=SESSION_COOKIE, token_paths=_TOKEN_PATHS)

    rate_limit.install(app, quotas=quotas, make_identifier=make_identifier, oauth_paths=OAUTH_PATHS)


def build_services(settings: Settings, database_url: str, clock: Clock, transport: _Transport = None) -> Services:
    """Build every service of an application or a worker. Raises Fault as `create_app`."""
    keyring, practice = KeyRing.load(settings.keys_dir, clock=clock), settings.env is not Environment.PRODUCTION
    service, reserved, sealer = _make_engines(settings, database_url)
    sessions, outbound = SessionsWithReserve(service, reserved, keyring), build_outbound(settings)
    return Services(
        clock=clock,
        keyring=keyring,
        sessions=sessions,
        engines=(service, sealer, reserved),
        sealer_engine=sealer,
        policy=Policy.load(settings.policies_dir),
        precedence=read_precedence(settings.policies_dir),
        entitlements=Entitlements.load(settings.policies_dir),
        register_kinds=read_register_kinds(settings.register_kinds),
        issuer=settings.issuer,
        practice=practice,
        pages=PageRenderer(_PRACTICE_TEMPLATE_PACKAGES if practice else _TEMPLATE_PACKAGES),
        help_contact=build_help_contact(settings),
        service_changes=load_service_changes(settings.service_changes_file),
        trusted_proxies=parse_networks(settings.trusted_proxies),
        authorities=CertificateAuthorities.load(settings.client_ca_file),
        mtls_url=settings.mtls_url,
        outbound=outbound,
        head_keeper=build_head_keeper(settings, keyring, outbound),
        published_keys=JwksFetcher(sessions, outbound),
        broker=_build_broker(settings, keyring, transport),
        session_limits=_build_session_limits(settings),
        delegation_limits=_build_delegation_limits(settings),
        access_token_seconds=settings.access_token_seconds,
        on_login=handle_login,
        details_handler=_DETAILS_HANDLER,
        on_session_end=partial(handle_session_end, _DETAILS_HANDLER),
        on_new_address=retry_undelivered,
        mailer=_build_mailer(settings),
        background=TaskSupervisor(),
        worker_inside=settings.worker_inside,
        journalled_tables=JOURNALLED_TABLES,
    )


def _make_engines(settings: Settings, database_url: str) -> tuple[AsyncEngine, AsyncEngine, AsyncEngine]:
    """Make the engines of the service, of the urgent endpoints and of the sealer."""
    reserve = min(settings.reserved_connections, settings.database_pool_size - 1)
    return (
        make_engine(database_url, DatabaseRole.SERVICE, pool_size=settings.database_pool_size - reserve),
        make_engine(database_url, DatabaseRole.SERVICE, pool_size=reserve),
        make_engine(settings.sealer_database_url or database_url, DatabaseRole.SEALER, pool_size=1),
    )


def _build_mailer(settings: Settings) -> Mailer:
    contact = MailContact(settings.issuer, build_help_contact(settings))
    return Mailer(settings.smtp_host, settings.smtp_port, settings.smtp_starttls, settings.mail_from, contact)


def _build_session_limits(settings: Settings) -> SessionLimits:
    return SessionLimits(
        idle_timeout=timedelta(minutes=settings.session_idle_minutes),
        absolute_timeout=timedelta(hours=settings.session_hours),
    )


def _build_delegation_limits(settings: Settings) -> MachtigingLimits:
    return MachtigingLimits(
        maximum_duration=settings.maximum_length, code_lifetime=timedelta(days=settings.code_valid_days)
    )


def build_help_contact(settings: Settings) -> HelpContact:
    """Build the help of this installation; unset values are those of practice. Raises Fault `hulppunten_onleesbaar`."""
    hours = PRACTICE_HELP.hours
    return HelpContact(
        owner=settings.service_owner or PRACTICE_HELP.owner,
        phone=settings.help_phone or PRACTICE_HELP.phone,
        hours=BilingualText(nl=settings.help_hours or hours.nl, en=settings.help_hours_en or hours.en),
        accessibility_email=settings.accessibility_email or PRACTICE_HELP.accessibility_email,
        privacy_email=settings.privacy_email or PRACTICE_HELP.privacy_email,
        points=load_help_points(settings.help_points_file),
    )


def _build_broker(settings: Settings, keyring: KeyRing, transport: httpx.AsyncBaseTransport | None) -> Broker:
    return Broker(
        issuer=settings.broker_issuer,
        client_id=settings.broker_client_id,
        redirect_uri=f"{settings.issuer}/inloggen/terug",
        keyring=keyring,
        transport=transport,
        total_timeout=settings.broker_timeout_seconds,
        io_timeout=settings.broker_wait_seconds,
    )


@asynccontextmanager
async def run_services(services: Services, *, with_worker_loops: bool) -> AsyncIterator[None]:
    """Watch the key ring, and run the loops of a worker if asked. At the end stop them and close the pools.

    Raises Fault `geen_schema` or `ander_schema` on the schema of another version.
    """

    async def run_key_watch(record: TaskRecord) -> None:
        stop = services.background.stop
        await watch_key_ring(services.keyring, every=_KEY_RING_CHECK_SECONDS, stop=stop, record=record)

    async def run_policy_record(record: TaskRecord) -> None:
        work, stop = partial(_record_policy, services), services.background.stop
        await run_until_done(work, record, every=_POLICY_RECORD_SECONDS, stop=stop)

    await require_newest_schema(services.sessions)
    services.background.start_task("sleutelwacht", run_key_watch)
    services.background.start_task("beleid", run_policy_record)
    try:
        async with run_worker_loops(services) if with_worker_loops else nullcontext():
            # Objects created so far live until the end. Frozen, they are skipped by garbage collection.
            gc.collect()
            gc.freeze()
            yield
    finally:
        await services.background.stop_tasks(patience=10)
        await services.broker.aclose()
        for engine in services.engines:
            await engine.dispose()


async def _record_policy(services: Services) -> None:
    """Write the policy of this process down if it is a new one."""
    async with unit_of_work(services.sessions) as session:
        await record_policy_version(session, services.policy.content, at=services.clock.now())


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run the background tasks while the service runs."""
    services = replace(services_of(app, Services), background=TaskSupervisor())
    attach_services(app, services)
    async with run_services(services, with_worker_loops=services.worker_inside):
        yield
