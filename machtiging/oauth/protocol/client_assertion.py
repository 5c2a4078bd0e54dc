"""Verify a client assertion (RFC 7523 with the rules of FAPI 2.0), without database access.

Stricter than Authlib's own class, which accepts an audience list with other servers, no `iat`, RS256, and a `client_id`
in the form that differs from `sub`. An `exp` far ahead is accepted but extends nothing: the age is counted from `iat`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn

from machtiging.crypto.jose import (
    UnverifiedJws,
    is_key_for_algorithm,
    parse_jws,
    parse_strict_json,
    typ_matches,
    verify_parsed_jws,
)
from machtiging.kernel.errors import Message, NotAuthenticated
from machtiging.oauth.client import Client
from machtiging.oauth.client_jwks.key_selection import select_jwks
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ("ES256", "PS256")
# Counted from `iat`, whatever the `exp`.
MAX_ASSERTION_AGE = timedelta(minutes=5)
# FAPI 2.0 5.3.2.1: accept up to 10 seconds in the future, refuse 60.
CLOCK_SKEW = timedelta(seconds=10)
_MAX_ASSERTION_LENGTH = 8 * 1024
_MAX_JTI_LENGTH = 256
_ASSERTION_TYP = "client-authentication+jwt"


class ClientAssertion(NamedTuple):
    """A well-formed assertion, not yet verified. `subject` is its `sub`, used to find the client's keys."""

    parts: UnverifiedJws
    claims: dict[str, Any]
    subject: str


def refuse_client_auth(code: str, *, authenticated: bool = False) -> NoReturn:
    """Raise OAuthRefusal `invalid_client`.

    The cause is disclosed only to an authenticated caller.

    Against enumeration: in production an unknown client looks like a wrong key. `authenticated`: the signature was
    good.
    """
    raise OAuthRefusal(OAuthErrorCode.INVALID_CLIENT, code, disclose_cause=True, authenticated=authenticated)


def require_one_auth_method(form: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Require at most one client authentication method (RFC 6749 2.3), and no shared secret.

    Raises OAuthRefusal `invalid_request` or `invalid_client`.
    """
    header, secret = "authorization" in headers, "client_secret" in form
    assertion = "client_assertion" in form or "client_assertion_type" in form
    if header + secret + assertion > 1:
        raise OAuthRefusal(OAuthErrorCode.INVALID_REQUEST, "twee_manieren", description=Message("oauth.twee_manieren"))
    if header or secret:
        refuse_client_auth("geheim_niet_ondersteund")


def parse_client_assertion(form: Mapping[str, str]) -> ClientAssertion | None:
    """Parse the assertion of a request; None when it has none. Raises OAuthRefusal `invalid_client`."""
    if "client_assertion" not in form and "client_assertion_type" not in form:
        return None
    text = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not 0 < len(text) <= _MAX_ASSERTION_LENGTH:
        refuse_client_auth("bewijs_vormfout")
    try:
        parts = parse_jws(text)
        claims = parse_strict_json(parts.payload)
    except NotAuthenticated:
        refuse_client_auth("bewijs_vormfout")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isprintable() or not subject.isascii():
        refuse_client_auth("bewijs_vormfout")
    return ClientAssertion(parts, claims, subject)


def verify_client_assertion(
    assertion: ClientAssertion, client: Client, client_id: str | None, issuer: str, at: datetime
) -> str:
    """Verify the assertion of this client for `issuer` and return its `jti`, to be consumed.

    `client_id` is the parameter beside it. Raises OAuthRefusal `invalid_client` alike for every failure, and
    JwksFetchRequired when the client's keys must be fetched first.
    """
    _verify_signature(assertion.parts, select_jwks(client, assertion.parts.header.get("kid"), at))
    return _verify_claims(assertion.claims, client, client_id, issuer, at)


def _verify_signature(parts: UnverifiedJws, jwks: dict[str, Any]) -> None:
    typ = parts.header.get("typ")
    wanted = _ASSERTION_TYP if isinstance(typ, str) and typ.lower().endswith(_ASSERTION_TYP) else None
    try:
        verify_parsed_jws(parts, jwks, algorithms=ASSERTION_ALGORITHMS, typ=wanted)
    except NotAuthenticated:
        refuse_client_auth(_signature_failure_code(parts, jwks, wanted))


def _signature_failure_code(parts: UnverifiedJws, jwks: dict[str, Any], typ: str | None) -> str:
    """Return the reason code of an assertion that `verify_parsed_jws` refused, for log and developer."""
    algorithm, kid = parts.header["alg"], parts.header.get("kid")
    if not typ_matches(parts.header.get("typ"), typ):
        return "bewijs_typ"
    if algorithm not in ASSERTION_ALGORITHMS:
        return "bewijs_algoritme"
    named = [key for key in jwks.get("keys", ()) if kid is None or key.get("kid") == kid]
    if not named:
        return "bewijs_kid_onbekend"
    fitting = [key for key in named if is_key_for_algorithm(key, algorithm)]
    if not fitting:
        return "bewijs_algoritme"
    return "bewijs_ondertekening" if len(fitting) == 1 else "bewijs_kid_ontbreekt"


def _verify_claims(claims: dict[str, Any], client: Client, client_id: str | None, issuer: str, at: datetime) -> str:
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        refuse_client_auth("bewijs_van_ander", authenticated=True)
    if client_id not in (None, client.client_id):
        refuse_client_auth("client_id_wijkt_af", authenticated=True)
    if not _audience_matches(issuer, claims.get("aud"), client):
        refuse_client_auth("bewijs_voor_ander", authenticated=True)
    if (problem := _lifetime_error(claims, at.timestamp())) is not None:
        refuse_client_auth(problem, authenticated=True)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI_LENGTH:
        refuse_client_auth("bewijs_zonder_jti", authenticated=True)
    return jti


def _audience_matches(issuer: str, audience: object, client: Client) -> bool:
    """Check that the audience is our issuer alone, never an endpoint.

    It must be a string for clients with sender-constrained tokens (FAPI 2.0 5.3.2.1). Other clients may send a list of
    one, which some libraries always do (RFC 7519 4.1.3). See docs/decisions/0006.
    """
    return audience == issuer or (audience == [issuer] and not client.requires_sender_constraint)


def _lifetime_error(claims: dict[str, Any], now: float) -> str | None:
    longest, differ = MAX_ASSERTION_AGE.total_seconds(), CLOCK_SKEW.total_seconds()
    exp, iat, nbf = (_parse_numeric_date(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if exp is None or iat is None or ("nbf" in claims and nbf is None):
        return "bewijs_zonder_tijd"
    if exp <= now:
        return "bewijs_verlopen"
    # The age counts from `iat`, because libraries write an `exp` an hour ahead.
    if iat < now - longest - differ:
        return "bewijs_te_oud"
    if iat > now + differ or (nbf is not None and nbf > now + differ):
        return "bewijs_uit_de_toekomst"
    return None


def _parse_numeric_date(value: object) -> float | None:
    """Parse a NumericDate. A bool is an int in Python, and very large numbers are no dates."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value) if math.isfinite(value) else None
