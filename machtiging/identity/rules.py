"""Validation of the id_token and of the return path after login. Pure: no I/O, no framework.

Sources: OpenID Connect Core 1.0 sections 2 and 3.1.3.7; NL GOV OpenID Connect profile 5.2.5 (eIDAS levels in `acr`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from machtiging.identity.errors import LoginFailed
from machtiging.identity.profile_claims import Profile, parse_profile_claims
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn, parse_bsn
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.oin import KvkNumber
from machtiging.kernel.text import keep_letters_and_digits

CLOCK_SKEW = timedelta(seconds=60)
MAX_ID_TOKEN_LIFETIME = timedelta(hours=24)
OPERATOR_ROLE = "beheerder"
# They may look at how the service works. Only an operator may decide.
AUDIT_ROLES = frozenset({"auditor", "privacyfunctionaris"})
OVERSIGHT_ROLES = frozenset({OPERATOR_ROLE}) | AUDIT_ROLES
ROLES = frozenset({"balie"}) | OVERSIGHT_ROLES
HOME = "/"
_MAX_NUMBER_LENGTH = 40

# Printable ASCII without a backslash: browsers read a backslash as a slash, and remove tabs and newlines.
_SAFE_PATH = re.compile(r"/[\x21-\x5b\x5d-\x7e]{0,3999}")
_EXCLUDED_RETURN_PATHS = ("/inloggen", "/uitloggen")


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """The parameters of a requested login. `reauthenticate`: the broker must ignore its own session."""

    return_to: str
    requested: Assurance
    login_hint: str | None
    reauthenticate: bool = False


def build_login_path(login_request: LoginRequest) -> str:
    """Build the link to the login page for this request."""
    hint = "" if login_request.login_hint is None else f"&login_hint={quote(login_request.login_hint, safe='')}"
    fresh = "&opnieuw=ja" if login_request.reauthenticate else ""
    place = quote(login_request.return_to, safe="/")
    return f"/inloggen?terug={place}&niveau={login_request.requested.value}{hint}{fresh}"


@dataclass(frozen=True, slots=True)
class BrokerResponse:
    """The authorization response of the broker, as the browser delivers it."""

    state: str
    code: str
    error: str | None
    issuer: str | None


@dataclass(frozen=True, slots=True)
class IdTokenExpectations:
    """The values that the id_token must match."""

    issuer: str
    client_id: str
    nonce: str
    requested: Assurance
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class VerifiedLogin:
    """A login with a fully validated id_token."""

    issuer: str
    subject: str
    assurance: Assurance
    authenticated_at: datetime
    bsn: Bsn | None
    profile: Profile
    roles: frozenset[str]
    kvk: str | None


def safe_return_path(requested: str | None) -> str:
    """Return the path if it is safe to redirect to, else the start page.

    Only absolute paths on this site are safe. This prevents an open redirect.
    """
    if requested is None or not _SAFE_PATH.fullmatch(requested):
        return HOME
    path = re.split(r"[?#]", requested, maxsplit=1)[0]
    if "//" in path or any(path == closed or path.startswith(closed + "/") for closed in _EXCLUDED_RETURN_PATHS):
        return HOME
    return requested


def validate_id_token_claims(
    claims: Mapping[str, Any], expected: IdTokenExpectations, *, at: datetime
) -> VerifiedLogin:
    """Validate the claims of an id_token with a verified signature. Raises LoginFailed with the reason."""
    _check_parties(claims, expected)
    _check_times(claims, at)
    if claims.get("nonce") != expected.nonce:
        raise LoginFailed("nonce_klopt_niet")
    return VerifiedLogin(
        issuer=expected.issuer,
        subject=_parse_subject(claims),
        assurance=_parse_assurance(claims, expected.requested),
        authenticated_at=_parse_auth_time(claims, expected.max_age, at),
        bsn=_parse_bsn_claim(claims),
        profile=parse_profile_claims(claims, at=at),
        roles=_parse_roles(claims),
        kvk=_parse_kvk_claim(claims),
    )


def _check_parties(claims: Mapping[str, Any], expected: IdTokenExpectations) -> None:
    """Validate `iss`, `aud` and `azp` (Core section 3.1.3.7, steps 2 to 5)."""
    if claims.get("iss") != expected.issuer:
        raise LoginFailed("id_token_andere_uitgever")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise LoginFailed("id_token_niet_voor_ons")
    party = claims.get("azp")
    if (len(audiences) > 1 and party is None) or (party is not None and party != expected.client_id):
        raise LoginFailed("id_token_niet_voor_ons")


def _check_times(claims: Mapping[str, Any], at: datetime) -> None:
    expires_at, issued_at = _parse_instant(claims, "exp"), _parse_instant(claims, "iat")
    if at >= expires_at + CLOCK_SKEW:
        raise LoginFailed("id_token_verlopen")
    if issued_at > at + CLOCK_SKEW or expires_at - issued_at > MAX_ID_TOKEN_LIFETIME:
        raise LoginFailed("id_token_tijden_kloppen_niet")
    if "nbf" in claims and _parse_instant(claims, "nbf") > at + CLOCK_SKEW:
        raise LoginFailed("id_token_tijden_kloppen_niet")


def _parse_instant(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LoginFailed("id_token_tijden_kloppen_niet")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise LoginFailed("id_token_tijden_kloppen_niet") from error


def _parse_auth_time(claims: Mapping[str, Any], max_age: timedelta, at: datetime) -> datetime:
    """Validate `auth_time`. It is required and recent, because we send `max_age` (Core section 3.1.2.1)."""
    when = _parse_instant(claims, "auth_time")
    if when > at + CLOCK_SKEW:
        raise LoginFailed("id_token_tijden_kloppen_niet")
    if when < at - max_age - CLOCK_SKEW:
        raise LoginFailed("inloggen_te_lang_geleden")
    return when


def _parse_assurance(claims: Mapping[str, Any], requested: Assurance) -> Assurance:
    try:
        reached = Assurance.from_acr(str(claims.get("acr")))
    except ValueError as error:
        raise LoginFailed("niveau_onbekend") from error
    if not reached.is_at_least(requested):
        raise LoginFailed("niveau_te_laag")
    return reached


def _parse_subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise LoginFailed("id_token_inhoud_klopt_niet", private="sub")
    return subject


def _parse_bsn_claim(claims: Mapping[str, Any]) -> Bsn | None:
    written = _normalise_number(claims, "bsn", 9)
    try:
        return None if written is None else parse_bsn(written)
    except InvalidInput as error:
        raise LoginFailed("id_token_inhoud_klopt_niet", private="bsn") from error


def _parse_kvk_claim(claims: Mapping[str, Any]) -> str | None:
    digits = _normalise_number(claims, "kvk", 8)
    try:
        return None if digits is None else KvkNumber(digits).value
    except InvalidInput as error:
        raise LoginFailed("id_token_inhoud_klopt_niet", private="kvk") from error


def _normalise_number(claims: Mapping[str, Any], name: str, length: int) -> str | None:
    """Normalise an identifier of at most `length` digits; None only when the claim is absent."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise LoginFailed("id_token_inhoud_klopt_niet", private=name)
    written = str(value) if isinstance(value, int) and 0 < value < 10**length else value
    if not isinstance(written, str) or len(written) > _MAX_NUMBER_LENGTH:
        raise LoginFailed("id_token_inhoud_klopt_niet", private=name)
    return keep_letters_and_digits(written)


def _parse_roles(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the known roles. Unknown roles are ignored; null means none."""
    roles = claims.get("roles")
    if roles is not None and not isinstance(roles, list):
        raise LoginFailed("id_token_inhoud_klopt_niet", private="roles")
    return frozenset(role for role in roles or () if isinstance(role, str)) & ROLES


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The idle timeout and the absolute timeout of a session."""

    idle_timeout: timedelta
    absolute_timeout: timedelta


class SessionEndReason(StrEnum):
    """The reason of an operator to end sessions. A closed list, since the journal keeps it forever."""

    MISUSE = "misbruik_gemeld"
    INVESTIGATION = "onderzoek"
    REQUESTED = "op_verzoek"
    DEVICE_LOST = "toestel_kwijt"
