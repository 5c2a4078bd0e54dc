"""Pushed authorization requests (RFC 9126): store the request, and return a `request_uri` for the browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, insert, select, update

from machtiging.audit.forged_rows import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import InvalidInput
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, Client
from machtiging.oauth.errors import malformed
from machtiging.oauth.manage.rules import ACTION, check_request
from machtiging.oauth.openid.wishes import KEPT_AS, wishes_in
from machtiging.oauth.protocol.bridge import WireRequest
from machtiging.oauth.protocol.grants import token_server
from machtiging.oauth.protocol.sender import key_for_code, key_shown
from machtiging.oauth.protocol.server import Exchange, Server, run
from machtiging.oauth.requests.request_object import Desk, opened
from machtiging.oauth.requests.resources import target_of
from machtiging.oauth.rules import DECISION_TAKES, REQUEST_URI_LIVES, for_own_app_only, wanted_from
from machtiging.oauth.tables import SEALED_PUSHED_REQUEST, PushedRequest
from machtiging.storage.row_mac import seal

_PUSHED: Table = PushedRequest.__table__  # type: ignore[attr-defined]
PREFIX = "urn:ietf:params:oauth:request_uri:"
_LONGEST_REFERENCE = 128
# The parameters that the decision reads. Others are checked once at the push, or ignored (RFC 6749 3.1).
_KEPT = (
    "acr_values",
    "authorization_details",
    "code_challenge",
    "code_challenge_method",
    ACTION,
    "nonce",
    "redirect_uri",
    "resource",
    "response_type",
    "scope",
    "state",
)
_LARGEST = 8 * 1024
# These parameters change the meaning of a request. To ignore them would be a silent downgrade.
_UNSUPPORTED = ("registration", "request_uri")


@dataclass(frozen=True, slots=True)
class Reference:
    """The client id and `request_uri` in an authorization request of the browser."""

    client_id: str
    request_uri: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """The stored authorization request: the only source of parameters (RFC 9126 4)."""

    client_id: str
    parameters: dict[str, Any]
    pushed_at: datetime
    sent_to_login: bool


def reference_from(parameters: dict[str, str]) -> Reference:
    """Parse the reference in a query or form.

    Raises InvalidInput: an error page, never a redirect (RFC 9126 4).
    """
    client_id, request_uri = parameters.get("client_id", ""), parameters.get("request_uri", "")
    if not client_id or not request_uri.startswith(PREFIX) or len(request_uri) > _LONGEST_REFERENCE:
        raise unknown()
    return Reference(client_id, request_uri)


def unknown() -> InvalidInput:
    """Build the one refusal for every wrong reference: an error page for the person."""
    return InvalidInput(
        "verzoek_onbekend",
        "De app heeft u met een verzoek gestuurd dat wij niet kennen of dat is verlopen. Ga terug naar de app en "
        "probeer het daar opnieuw.",
    )


async def push(exchange: Exchange, request: WireRequest) -> dict[str, Any]:
    """Validate and store an authorization request; return the response of RFC 9126 2.2.

    Raises OAuthRefusal.
    """
    server = token_server(exchange)
    client = await run(server, lambda it: it.authenticate_client(request, [PRIVATE_KEY_JWT, PUBLIC], "par"))
    proven = await key_shown(exchange.session, exchange.issuer.keyring, request, exchange.at)
    desk = Desk(exchange.session, exchange.issuer.url, exchange.at)
    request = request.asking(await opened(desk, client, request.form))
    _refuse_unsupported(request)
    target = await target_of(exchange.session, exchange.issuer, request.form.get("resource"))
    wishes = wishes_in(request.form, client, exchange.issuer)
    parameters = _kept(request) | {"client_id": client.client_id, KEPT_AS: wishes.kept()}
    bound = key_for_code(request, proven)
    if bound is not None:
        parameters["dpop_jkt"] = bound
    await run(server, lambda it: check(it, exchange, parameters))
    wanted = wanted_from(parameters.get("authorization_details"))
    if target.server is not None:
        for_own_app_only(wanted, "handeling_alleen_hier")
    check_request(request.form, machtiging_asked=wanted is not None and wanted.machtiging_id is not None)
    if wanted is None and "openid" not in parameters.get("scope", "").split():
        raise malformed("niets_gevraagd", "Ask authorization_details of type berichtenbox, or scope openid.")
    request_uri = PREFIX + secrets.random_token()
    row = {
        "uri_hash": secrets.digest(request_uri),
        "client_id": client.client_id,
        "params": parameters,
        "created_at": exchange.at,
        "expires_at": exchange.at + REQUEST_URI_LIVES,
    }
    await exchange.session.execute(insert(_PUSHED), seal(exchange.session, SEALED_PUSHED_REQUEST, row))
    return {"request_uri": request_uri, "expires_in": int(REQUEST_URI_LIVES.total_seconds())}


def _kept(request: WireRequest) -> dict[str, Any]:
    """Select the parameters to store, at most 8 KB.

    Anybody can name a public client, so other parameters may not fill the database. Raises OAuthRefusal
    `invalid_request`.
    """
    kept = {name: request.form[name] for name in _KEPT if name in request.form}
    if sum(len(name) + len(value.encode()) for name, value in kept.items()) > _LARGEST:
        raise malformed("verzoek_te_groot", "The parameters are larger than 8 KB together.")
    return kept


def _refuse_unsupported(request: WireRequest) -> None:
    form = request.form
    for name in _UNSUPPORTED:
        if name in form:
            raise malformed("parameter_niet_ondersteund", f"The parameter {name} is not supported.")
    if "response_type" not in form:
        raise malformed("response_type_ontbreekt", "The parameter response_type is missing.")
    if form.get("response_mode", "query") != "query":
        raise malformed("parameter_niet_ondersteund", "This response_mode is not supported.")


def check(server: Server, exchange: Exchange, parameters: dict[str, Any]) -> Any:
    """Validate an authorization request with Authlib; return its grant object.

    Raises OAuthRefusal or OAuth2Error.
    """
    return server.get_consent_grant(WireRequest("GET", exchange.issuer.endpoint("/authorize"), parameters, {}))


async def open_once(exchange: Exchange, reference: Reference) -> None:
    """Extend the lifetime of a pending request to the decision time, when the browser arrives.

    Raises InvalidInput.
    """
    mine = _waiting(exchange, reference)
    longer = update(_PUSHED).where(*mine).values(expires_at=_PUSHED.c.created_at + DECISION_TAKES)
    if await exchange.session.scalar(longer.returning(_PUSHED.c.client_id)) is None:
        raise unknown()


async def find(exchange: Exchange, reference: Reference) -> Pushed:
    """Load the pending request. Raises InvalidInput."""
    row = (await exchange.session.execute(select(_PUSHED).where(*_waiting(exchange, reference)))).one_or_none()
    return await _pushed(exchange, row)


async def sent_to_login(exchange: Exchange, reference: Reference) -> None:
    """Mark the request as sent to login, so that step-up happens once."""
    mine = update(_PUSHED).where(*_waiting(exchange, reference))
    await exchange.session.execute(mine.values(sent_to_login_at=exchange.at))


async def _pushed(exchange: Exchange, row: Row[Any] | None) -> Pushed:
    """Build the request from a row.

    Raises InvalidInput for no row, a forged row, and a row older than the decision time.
    """
    if row is None or not await authenticate_row(exchange.session, SEALED_PUSHED_REQUEST, row, at=exchange.at):
        raise unknown()
    if row.created_at + DECISION_TAKES <= exchange.at:
        raise unknown()
    return Pushed(row.client_id, row.params, row.created_at, row.sent_to_login_at is not None)


async def use_up(exchange: Exchange, reference: Reference) -> Pushed | None:
    """Consume the pending request and return it. None when it was decided before.

    Raises InvalidInput for a forged or outdated row.
    """
    using = update(_PUSHED).where(*_waiting(exchange, reference)).values(used_at=exchange.at)
    row = (await exchange.session.execute(using.returning(*_PUSHED.c))).one_or_none()
    return None if row is None else await _pushed(exchange, row)


async def find_used(exchange: Exchange, reference: Reference) -> Pushed:
    """Load a consumed request. Raises InvalidInput."""
    mine = (*_named(reference), _PUSHED.c.used_at.is_not(None), _PUSHED.c.expires_at > exchange.at)
    return await _pushed(exchange, (await exchange.session.execute(select(_PUSHED).where(*mine))).one_or_none())


def _named(reference: Reference) -> tuple[Any, ...]:
    digest = secrets.digest(reference.request_uri)
    return _PUSHED.c.uri_hash == digest, _PUSHED.c.client_id == reference.client_id


def _waiting(exchange: Exchange, reference: Reference) -> tuple[Any, ...]:
    return (*_named(reference), _PUSHED.c.used_at.is_(None), _PUSHED.c.expires_at > exchange.at)


def redirect_uri_of(client: Client, pushed: Pushed) -> str:
    """Return the redirect URI of the request, if it is still registered.

    Raises InvalidInput.
    """
    uri: str = pushed.parameters.get("redirect_uri", "")
    if not client.check_redirect_uri(uri):
        raise unknown()
    return uri
