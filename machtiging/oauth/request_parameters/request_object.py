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

from sqlalchemy.dialects.postgresql import insert

from machtiging.crypto import secrets
from machtiging.crypto.jose import parse_jws, verify_jwt
from machtiging.kernel.errors import Message, NotAuthenticated
from machtiging.oauth.client import Client
from machtiging.oauth.client_jwks.key_selection import select_jwks
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.tables import UsedAssertion
from machtiging.storage.columns import table_of
from machtiging.storage.statement import Executor, Statement

REQUEST_OBJECT_ALGORITHMS = ("ES256", "PS256")
# Counted from `iat` or `nbf`. A later `exp` extends nothing; FAPI 2.0 Message Signing 5.3.1 allows an hour after `nbf`.
MAX_REQUEST_OBJECT_AGE = timedelta(minutes=10)
MAX_REQUEST_OBJECT_LIFETIME = timedelta(minutes=60)
_CLOCK_SKEW_SECONDS = 10.0  # as for client assertions (FAPI 2.0 5.3.2.1)
_REQUEST_OBJECT_TYP = "oauth-authz-req+jwt"
_MAX_JTI_LENGTH = 256
# Allowed beside the object: the client_id and its authentication.
_OUTER_PARAMETERS = frozenset({"request", "client_id", "client_assertion", "client_assertion_type"})
# JWT claims of the object itself. No `sub`: with it, an object could pass for a client assertion (RFC 9101 10.8).
_JWT_CLAIMS = frozenset({"iss", "aud", "exp", "iat", "nbf", "jti"})
# Refused in an object: nested objects, objects by reference, and credentials.
_FORBIDDEN_CLAIMS = frozenset(
    {"request", "request_uri", "sub", "client_assertion", "client_assertion_type", "client_secret"}
)
_JSON_PARAMETERS = frozenset({"authorization_details", "claims"})
_MAX_NAME_LENGTH = 64
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # as in a form: see protocol.requests
_USED_ASSERTION = table_of(UsedAssertion)
_CONSUME_JTI = Statement(
    insert(_USED_ASSERTION).on_conflict_do_nothing().returning(_USED_ASSERTION.c.client_id),
    ("client_id", "jti_hash", "expires_at"),
)


@dataclass(frozen=True, slots=True)
class RequestObjectContext:
    """The context for request objects: executor, issuer and time.

    `backchannel`: CIBA 7.1.1, with the client in `iss` and not necessarily in `client_id` too.
    """

    executor: Executor
    issuer_url: str
    at: datetime
    backchannel: bool = False


def _refuse_request_object(code: str) -> NoReturn:
    """Raise `invalid_request_object`, with one text for all causes. Only the journal gets the code."""
    raise OAuthRefusal(OAuthErrorCode.INVALID_REQUEST_OBJECT, code)


async def verify_request_object(
    context: RequestObjectContext, client: Client, form: Mapping[str, str]
) -> dict[str, str]:
    """Return the effective parameters: those of the signed object, else those of the form.

    Consumes the object's jti. Raises OAuthRefusal `invalid_request_object`, or `invalid_request` when this client must
    sign and did not.
    """
    if "request" not in form:
        if client.require_signed_request_object:
            raise OAuthRefusal(
                OAuthErrorCode.INVALID_REQUEST,
                "verzoek_niet_ondertekend",
                description=Message("oauth.verzoek_niet_ondertekend"),
            )
        return dict(form)
    if form.keys() - _OUTER_PARAMETERS:
        _refuse_request_object("parameters_naast_object")
    claims = _verify_signature(form["request"], client, context.at)
    _verify_claims(context, client, claims)
    parameters = _extract_parameters(claims)
    await _consume_jti(context, client, claims)
    return parameters


def _verify_signature(request_object: str, client: Client, at: datetime) -> dict[str, Any]:
    if client.jwks is None and client.jwks_uri is None:
        _refuse_request_object("object_zonder_sleutels")
    algorithms = REQUEST_OBJECT_ALGORITHMS if client.request_object_alg is None else (client.request_object_alg,)
    try:
        header = parse_jws(request_object).header
        typ, keys = header.get("typ"), select_jwks(client, header.get("kid"), at)
        wanted = _REQUEST_OBJECT_TYP if isinstance(typ, str) and typ.lower().endswith(_REQUEST_OBJECT_TYP) else None
        return verify_jwt(request_object, keys, algorithms=algorithms, typ=wanted)
    except NotAuthenticated:
        _refuse_request_object("object_ondertekening")


def _verify_claims(context: RequestObjectContext, client: Client, claims: Mapping[str, Any]) -> None:
    if claims.keys() & _FORBIDDEN_CLAIMS:
        _refuse_request_object("object_lid_verboden")
    named = claims.get("client_id", client.client_id if context.backchannel else None)
    if claims.get("iss") != client.client_id or named != client.client_id:
        _refuse_request_object("object_van_ander")
    if claims.get("aud") not in (
        context.issuer_url,
        [context.issuer_url],
    ):  # FAPI 2.0 Message Signing 5.3.1 allows a list
        _refuse_request_object("object_voor_ander")
    if (problem := _lifetime_error(claims, context.at.timestamp())) is not None:
        _refuse_request_object(problem)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI_LENGTH:
        _refuse_request_object("object_zonder_jti")


def _lifetime_error(claims: Mapping[str, Any], now: float) -> str | None:
    exp = _parse_numeric_date(claims.get("exp"))
    begins = [_parse_numeric_date(claims[name]) for name in ("iat", "nbf") if name in claims]
    begins_given = [begin for begin in begins if begin is not None]
    if exp is None or not begins_given or len(begins_given) != len(begins):
        return "object_zonder_tijd"
    if exp <= now:
        return "object_verlopen"
    if max(begins_given) > now + _CLOCK_SKEW_SECONDS:
        return "object_uit_de_toekomst"
    if min(begins_given) < now - MAX_REQUEST_OBJECT_AGE.total_seconds() - _CLOCK_SKEW_SECONDS:
        return "object_te_oud"
    return "object_te_lang_geldig" if exp > min(begins_given) + MAX_REQUEST_OBJECT_LIFETIME.total_seconds() else None


def _parse_numeric_date(value: object) -> float | None:
    """Parse a NumericDate. A bool is an int in Python, and very large numbers are no dates."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value) if math.isfinite(value) else None


def _extract_parameters(claims: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _to_parameter_value(name, value) for name, value in claims.items() if name not in _JWT_CLAIMS}
    return {name: value for name, value in found.items() if value}


def _to_parameter_value(name: str, value: Any) -> str:
    """Convert a claim to its parameter: numbers to digits, and JSON to text (RFC 9396 5)."""
    if name == "resource" and isinstance(value, list) and len(value) == 1:
        value = value[0]  # libraries send one resource as a list of one
    if name in _JSON_PARAMETERS and isinstance(value, dict | list):
        value = json.dumps(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(name) > _MAX_NAME_LENGTH or _UNPRINTABLE.search(name + value) is not None:
        _refuse_request_object("object_lid_vormfout")
    return value


async def _consume_jti(context: RequestObjectContext, client: Client, claims: Mapping[str, Any]) -> None:
    """Consume the jti. The prefix separates it from the `jti` of client assertions in the same table."""
    digest = secrets.sha256_digest("request:" + claims["jti"].encode("utf-8", "surrogatepass").hex())
    row = {
        "client_id": client.client_id,
        "jti_hash": digest,
        "expires_at": context.at + MAX_REQUEST_OBJECT_AGE + timedelta(seconds=2 * _CLOCK_SKEW_SECONDS),
    }
    if await _CONSUME_JTI.one_or_none(context.executor, row) is None:
        _refuse_request_object("object_hergebruikt")
