"""Verify signed request objects (JAR, RFC 9101, with FAPI 2.0 Message Signing 5.3.1), pushed with the request.

Only the signed parameters count. A parameter beside the object is refused, not ignored: otherwise two readers of
different copies could reach different results.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert

from machtiging.crypto import secrets
from machtiging.crypto.jose import take_apart, verify_jwt
from machtiging.kernel.errors import NotAuthenticated
from machtiging.oauth.client import Client
from machtiging.oauth.clients.fetched import keys_of
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.tables import UsedAssertion
from machtiging.storage.statement import Statement, Work

ALGORITHMS = ("ES256", "PS256")
# Counted from `iat` or `nbf`. A later `exp` extends nothing; FAPI 2.0 Message Signing 5.3.1 allows an hour after `nbf`.
LIVES_AT_MOST = timedelta(minutes=10)
LATEST_EXP = timedelta(minutes=60)
_CLOCKS_DIFFER = 10.0  # as for client assertions (FAPI 2.0 5.3.2.1)
_TYP = "oauth-authz-req+jwt"
_LONGEST_JTI = 256
# Allowed beside the object: the client_id and its authentication.
_BESIDE = frozenset({"request", "client_id", "client_assertion", "client_assertion_type"})
# JWT claims of the object itself. No `sub`: with it, an object could pass for a client assertion (RFC 9101 10.8).
_ABOUT = frozenset({"iss", "aud", "exp", "iat", "nbf", "jti"})
# Refused in an object: nested objects, objects by reference, and credentials.
_NEVER = frozenset({"request", "request_uri", "sub", "client_assertion", "client_assertion_type", "client_secret"})
_STRUCTURED = frozenset({"authorization_details", "claims"})
_LONGEST_NAME = 64
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # as in a form: see protocol.requests
_USED: Table = UsedAssertion.__table__  # type: ignore[attr-defined]
_TAKE = Statement(
    insert(_USED).on_conflict_do_nothing().returning(_USED.c.client_id), ("client_id", "jti_hash", "expires_at")
)


@dataclass(frozen=True, slots=True)
class Desk:
    """The context for request objects: executor, issuer and time.

    `backchannel`: CIBA 7.1.1, with the client in `iss` and not necessarily in `client_id` too.
    """

    work: Work
    issuer_url: str
    at: datetime
    backchannel: bool = False


def _bad(code: str) -> NoReturn:
    """Raise `invalid_request_object`, with one text for all causes. Only the journal gets the code."""
    raise OAuthRefusal(Wire.INVALID_REQUEST_OBJECT, code)


async def opened(desk: Desk, client: Client, form: Mapping[str, str]) -> dict[str, str]:
    """Return the effective parameters: those of the signed object, else those of the form.

    Consumes the object's jti. Raises OAuthRefusal `invalid_request_object`, or `invalid_request` when this client must
    sign and did not.
    """
    if "request" not in form:
        if client.signed_requests_only:
            raise OAuthRefusal(Wire.INVALID_REQUEST, "verzoek_niet_ondertekend", "This client signs its requests.")
        return dict(form)
    if form.keys() - _BESIDE:
        _bad("parameters_naast_object")
    claims = _signed(form["request"], client, desk.at)
    _check(desk, client, claims)
    parameters = _parameters(claims)
    await _take(desk, client, claims)
    return parameters


def _signed(text: str, client: Client, at: datetime) -> dict[str, Any]:
    if client.jwks is None and client.jwks_uri is None:
        _bad("object_zonder_sleutels")
    algorithms = ALGORITHMS if client.request_object_alg is None else (client.request_object_alg,)
    try:
        header = take_apart(text).header
        typ, keys = header.get("typ"), keys_of(client, header.get("kid"), at)
        wanted = _TYP if isinstance(typ, str) and typ.lower().endswith(_TYP) else None
        return verify_jwt(text, keys, algorithms=algorithms, typ=wanted)
    except NotAuthenticated:
        _bad("object_ondertekening")


def _check(desk: Desk, client: Client, claims: Mapping[str, Any]) -> None:
    if claims.keys() & _NEVER:
        _bad("object_lid_verboden")
    named = claims.get("client_id", client.client_id if desk.backchannel else None)
    if claims.get("iss") != client.client_id or named != client.client_id:
        _bad("object_van_ander")
    if claims.get("aud") not in (desk.issuer_url, [desk.issuer_url]):  # FAPI 2.0 Message Signing 5.3.1 allows a list
        _bad("object_voor_ander")
    if (problem := _age_problem(claims, desk.at.timestamp())) is not None:
        _bad(problem)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        _bad("object_zonder_jti")


def _age_problem(claims: Mapping[str, Any], now: float) -> str | None:
    exp = _instant(claims.get("exp"))
    begins = [_instant(claims[name]) for name in ("iat", "nbf") if name in claims]
    made = [begin for begin in begins if begin is not None]
    if exp is None or not made or len(made) != len(begins):
        return "object_zonder_tijd"
    if exp <= now:
        return "object_verlopen"
    if max(made) > now + _CLOCKS_DIFFER:
        return "object_uit_de_toekomst"
    if min(made) < now - LIVES_AT_MOST.total_seconds() - _CLOCKS_DIFFER:
        return "object_te_oud"
    return "object_te_lang_geldig" if exp > min(made) + LATEST_EXP.total_seconds() else None


def _instant(value: object) -> float | None:
    """Parse a NumericDate. A bool is an int in Python, and very large numbers are no dates."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value) if math.isfinite(value) else None


def _parameters(claims: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _text(name, value) for name, value in claims.items() if name not in _ABOUT}
    return {name: value for name, value in found.items() if value}


def _text(name: str, value: Any) -> str:
    """Convert a claim to its parameter: numbers to digits, and JSON to text (RFC 9396 5)."""
    if name == "resource" and isinstance(value, list) and len(value) == 1:
        value = value[0]  # libraries send one resource as a list of one
    if name in _STRUCTURED and isinstance(value, dict | list):
        value = json.dumps(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(name) > _LONGEST_NAME or _UNPRINTABLE.search(name + value) is not None:
        _bad("object_lid_vormfout")
    return value


async def _take(desk: Desk, client: Client, claims: Mapping[str, Any]) -> None:
    """Consume the jti. The prefix separates it from the `jti` of client assertions in the same table."""
    digest = secrets.digest("request:" + claims["jti"].encode("utf-8", "surrogatepass").hex())
    row = {
        "client_id": client.client_id,
        "jti_hash": digest,
        "expires_at": desk.at + LIVES_AT_MOST + timedelta(seconds=2 * _CLOCKS_DIFFER),
    }
    if await _TAKE.one(desk.work, row) is None:
        _bad("object_hergebruikt")
