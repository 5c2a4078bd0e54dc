"""Verify a client assertion (RFC 7523 with the rules of FAPI 2.0), without database access.

Stricter than Authlib's own class, which accepts an audience list with other servers, no `iat`, RS256, and a `client_id`
in the form that differs from `sub`. An `exp` far ahead is accepted but extends nothing: the age is counted from `iat`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn

from machtiging.crypto.jose import Parts, could_verify, strict_json, take_apart, type_fits, verify_parts
from machtiging.kernel.errors import NotAuthenticated
from machtiging.oauth.client import Client
from machtiging.oauth.clients.fetched import keys_of
from machtiging.oauth.errors import CLIENT_AUTH_CAUSES, OAuthRefusal, Wire

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("ES256", "PS256")
# Counted from `iat`, whatever the `exp`.
LIVES_AT_MOST = timedelta(minutes=5)
# FAPI 2.0 5.3.2.1: accept up to 10 seconds in the future, refuse 60.
CLOCKS_DIFFER = timedelta(seconds=10)
_LONGEST_ASSERTION = 8 * 1024
_LONGEST_JTI = 256
_TYP = "client-authentication+jwt"


class Assertion(NamedTuple):
    """A well-formed assertion, not yet verified. `subject` is its `sub`, used to find the client's keys."""

    parts: Parts
    claims: dict[str, Any]
    subject: str


def unauthentic(code: str, *, proven: bool = False) -> NoReturn:
    """Raise OAuthRefusal `invalid_client`.

    The cause is disclosed only to an authenticated caller.

    Against enumeration: in production an unknown client looks like a wrong key. `authenticated`: the signature was
    good.
    """
    raise OAuthRefusal(Wire.INVALID_CLIENT, code, cause=CLIENT_AUTH_CAUSES[code], proven=proven)


def one_method(form: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Require at most one client authentication method (RFC 6749 2.3), and no shared secret.

    Raises OAuthRefusal `invalid_request` or `invalid_client`.
    """
    header, secret = "authorization" in headers, "client_secret" in form
    assertion = "client_assertion" in form or "client_assertion_type" in form
    if header + secret + assertion > 1:
        raise OAuthRefusal(Wire.INVALID_REQUEST, "twee_manieren", "Use one client authentication method.")
    if header or secret:
        unauthentic("geheim_niet_ondersteund")


def assertion_in(form: Mapping[str, str]) -> Assertion | None:
    """Parse the assertion of a request; None when it has none. Raises OAuthRefusal `invalid_client`."""
    if "client_assertion" not in form and "client_assertion_type" not in form:
        return None
    text = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not 0 < len(text) <= _LONGEST_ASSERTION:
        unauthentic("bewijs_vormfout")
    try:
        parts = take_apart(text)
        claims = strict_json(parts.payload)
    except NotAuthenticated:
        unauthentic("bewijs_vormfout")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isprintable() or not subject.isascii():
        unauthentic("bewijs_vormfout")
    return Assertion(parts, claims, subject)


def proved(assertion: Assertion, client: Client, named: str | None, issuer: str, at: datetime) -> str:
    """Verify the assertion of this client for `issuer` and return its `jti`, to be consumed.

    `client_id` is the parameter beside it. Raises OAuthRefusal `invalid_client` alike for every failure, and
    JwksFetchRequired when the client's keys must be fetched first.
    """
    _check_signature(assertion.parts, keys_of(client, assertion.parts.header.get("kid"), at))
    return _check_claims(assertion.claims, client, named, issuer, at)


def _check_signature(parts: Parts, jwks: dict[str, Any]) -> None:
    typ = parts.header.get("typ")
    wanted = _TYP if isinstance(typ, str) and typ.lower().endswith(_TYP) else None
    try:
        verify_parts(parts, jwks, algorithms=ALGORITHMS, typ=wanted)
    except NotAuthenticated:
        unauthentic(_signature_fault(parts, jwks, wanted))


def _signature_fault(parts: Parts, jwks: dict[str, Any], typ: str | None) -> str:
    """Return the reason code of an assertion that `verify_parsed_jws` refused, for log and developer."""
    algorithm, kid = parts.header["alg"], parts.header.get("kid")
    if not type_fits(parts.header.get("typ"), typ):
        return "bewijs_typ"
    if algorithm not in ALGORITHMS:
        return "bewijs_algoritme"
    named = [key for key in jwks.get("keys", ()) if kid is None or key.get("kid") == kid]
    if not named:
        return "bewijs_kid_onbekend"
    fitting = [key for key in named if could_verify(key, algorithm)]
    if not fitting:
        return "bewijs_algoritme"
    return "bewijs_ondertekening" if len(fitting) == 1 else "bewijs_kid_ontbreekt"


def _check_claims(claims: dict[str, Any], client: Client, named: str | None, issuer: str, at: datetime) -> str:
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        unauthentic("bewijs_van_ander", proven=True)
    if named not in (None, client.client_id):
        unauthentic("client_id_wijkt_af", proven=True)
    if not _is_for(issuer, claims.get("aud"), client):
        unauthentic("bewijs_voor_ander", proven=True)
    if (problem := _age_problem(claims, at.timestamp())) is not None:
        unauthentic(problem, proven=True)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        unauthentic("bewijs_zonder_jti", proven=True)
    return jti


def _is_for(issuer: str, audience: object, client: Client) -> bool:
    """Check that the audience is our issuer alone, never an endpoint.

    It must be a string for clients with sender-constrained tokens (FAPI 2.0 5.3.2.1). Other clients may send a list of
    one, which some libraries always do (RFC 7519 4.1.3). See docs/decisions/0006.
    """
    return audience == issuer or (audience == [issuer] and not client.bound)


def _age_problem(claims: dict[str, Any], now: float) -> str | None:
    longest, differ = LIVES_AT_MOST.total_seconds(), CLOCKS_DIFFER.total_seconds()
    exp, iat, nbf = (_instant(claims.get(name)) for name in ("exp", "iat", "nbf"))
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


def _instant(value: object) -> float | None:
    """Parse a NumericDate. A bool is an int in Python, and very large numbers are no dates."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value) if math.isfinite(value) else None
