"""Client authentication: `private_key_jwt` (RFC 7523 with the rules of FAPI 2.0) and public clients.

Authlib's own class takes an audience list with strangers in it, an `exp` ten years ahead, no `iat`, RS256, and a
`client_id` in the form that is not the `sub`. None of that is taken here.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sqlalchemy import CTE, FromClause, Table, bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert

from machtiging.crypto import secrets
from machtiging.crypto.jose import Parts, strict_json, take_apart, verify_parts
from machtiging.kernel.errors import NotAuthenticated
from machtiging.oauth.client import PRIVATE_KEY_JWT, PUBLIC, Client
from machtiging.oauth.clients.fetched import keys_of
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.tables import UsedAssertion
from machtiging.storage.statement import Statement, Work

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("ES256", "PS256")
LIVES_AT_MOST = timedelta(minutes=5)
# FAPI 2.0 5.3.2.1: up to 10 seconds ahead is a slow clock, 60 is not.
_CLOCKS_DIFFER = 10.0
_LONGEST_ASSERTION = 8 * 1024
_LONGEST_JTI = 256
_TYP = "client-authentication+jwt"
_USED: Table = UsedAssertion.__table__  # type: ignore[attr-defined]
# Uses an assertion up, see `to_take`; tells whether that was the first time.
Take = Callable[[dict[str, Any]], Awaitable[bool]]


def taking(gate: FromClause) -> CTE:
    """For a statement that does several things: use an assertion up if `gate` gives a row. It has a row when that was
    the first time. Values: see `to_take`."""
    names = ("client_id", "jti_hash", "expires_at")
    row = select(*(bindparam(f"assertion_{name}", type_=_USED.c[name].type).label(name) for name in names))
    using = insert(_USED).from_select(names, row.select_from(gate)).on_conflict_do_nothing()
    return using.returning(_USED.c.client_id).cte("assertion")


_TAKE = Statement(select(taking(select(literal(1)).cte("gate"))))


def to_take(client_id: str, jti: str, at: datetime) -> dict[str, Any]:
    """What goes in with an assertion, for `taking`."""
    digest = secrets.digest(jti.encode("utf-8", "surrogatepass").hex())
    until = at + LIVES_AT_MOST + timedelta(seconds=_CLOCKS_DIFFER)
    return {"assertion_client_id": client_id, "assertion_jti_hash": digest, "assertion_expires_at": until}


async def take(work: Work, values: dict[str, Any]) -> bool:
    """Whether this assertion is new. Of two at the same moment the second waits for the first to commit."""
    return await _TAKE.one(work, values) is not None


def unauthentic(code: str) -> NoReturn:
    """The one answer to every failure: an unknown client looks like a wrong key."""
    raise OAuthRefusal(Wire.INVALID_CLIENT, code)


def one_method(request: WireRequest) -> None:
    """At most one way to authenticate per request (RFC 6749 2.3), and none with a shared secret.

    Raises OAuthRefusal `invalid_request` or `invalid_client`.
    """
    form = request.form
    header, secret = "authorization" in request.headers, "client_secret" in form
    assertion = "client_assertion" in form or "client_assertion_type" in form
    if header + secret + assertion > 1:
        raise OAuthRefusal(Wire.INVALID_REQUEST, "twee_manieren", "Use one client authentication method.")
    if header or secret:
        unauthentic("geheim_niet_ondersteund")


class PrivateKeyJwt:
    """The method as Authlib calls it: `(query_client, request) -> client`, or None when it was not tried."""

    def __init__(self, use: Take, audience: str, at: datetime) -> None:
        self._use, self._audience, self._at = use, audience, at

    def __call__(self, query_client: Callable[[str], Client | None], request: WireRequest) -> Client | None:
        """The client that signed. Raises OAuthRefusal `invalid_client` for every kind of failure alike."""
        form = request.form
        if "client_assertion" not in form and "client_assertion_type" not in form:
            return None
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not 0 < len(assertion) <= _LONGEST_ASSERTION:
            unauthentic("bewijs_vormfout")
        parts = _parts(assertion)
        claims = _claims(parts)
        client = query_client(_subject(claims))
        if client is None or client.auth_method != PRIVATE_KEY_JWT:
            unauthentic("client_onbekend")
        _check_signature(parts, keys_of(client, parts.header.get("kid"), self._at))
        self._check(claims, client, form.get("client_id"))
        request.client, request.proven = client, True
        return client

    def _check(self, claims: dict[str, Any], client: Client, named: str | None) -> None:
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            unauthentic("bewijs_van_ander")
        if named not in (None, client.client_id):
            unauthentic("client_id_wijkt_af")
        if not self._is_for_us(claims.get("aud"), client):
            unauthentic("bewijs_voor_ander")
        if (problem := _age_problem(claims, self._at.timestamp())) is not None:
            unauthentic(problem)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
            unauthentic("bewijs_zonder_jti")
        if not wait(self._first_use(client.client_id, jti)):
            unauthentic("bewijs_hergebruikt")

    def _is_for_us(self, audience: object, client: Client) -> bool:
        """Whether it names us and nobody else: the issuer, never an endpoint.

        As a string for who registered for bound tokens (FAPI 2.0 5.3.2.1). A list of one is the same name in another
        form (RFC 7519 4.1.3), and some libraries know no other; it is taken from the others. See docs/decisions/0006.
        """
        return audience == self._audience or (audience == [self._audience] and not client.bound)

    async def _first_use(self, client_id: str, jti: str) -> bool:
        return await self._use(to_take(client_id, jti, self._at))


def _parts(assertion: str) -> Parts:
    try:
        return take_apart(assertion)
    except NotAuthenticated:
        unauthentic("bewijs_vormfout")


def _claims(parts: Parts) -> dict[str, Any]:
    """What it claims. Not trusted yet."""
    try:
        return strict_json(parts.payload)
    except NotAuthenticated:
        unauthentic("bewijs_vormfout")


def _subject(claims: dict[str, Any]) -> str:
    """Who it claims to be from, to find the key with."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isprintable() or not subject.isascii():
        unauthentic("bewijs_vormfout")
    return subject


def _check_signature(parts: Parts, jwks: dict[str, Any]) -> None:
    typ = parts.header.get("typ")
    wanted = _TYP if isinstance(typ, str) and typ.lower().endswith(_TYP) else None
    try:
        verify_parts(parts, jwks, algorithms=ALGORITHMS, typ=wanted)
    except NotAuthenticated:
        unauthentic("bewijs_ondertekening")


def _age_problem(claims: dict[str, Any], now: float) -> str | None:
    longest = LIVES_AT_MOST.total_seconds()
    exp, iat, nbf = (_instant(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if exp is None or iat is None or ("nbf" in claims and nbf is None):
        return "bewijs_zonder_tijd"
    if exp <= now:
        return "bewijs_verlopen"
    if exp > now + longest + _CLOCKS_DIFFER or iat < now - longest - _CLOCKS_DIFFER:
        return "bewijs_te_lang_geldig"
    if iat > now + _CLOCKS_DIFFER or (nbf is not None and nbf > now + _CLOCKS_DIFFER):
        return "bewijs_uit_de_toekomst"
    return None


def _instant(value: object) -> float | None:
    """A NumericDate; bool is an int in Python, and a number may be too large to be an instant."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value) if math.isfinite(value) else None


def public_client(query_client: Callable[[str], Client | None], request: WireRequest) -> Client | None:
    """A client that registered `none` and says who it is. None for every other client."""
    client_id = request.form.get("client_id")
    client = query_client(client_id) if client_id else None
    if client is None or client.auth_method != PUBLIC:
        return None
    request.client = client
    return client
