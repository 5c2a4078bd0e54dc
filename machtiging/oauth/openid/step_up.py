"""Check the person's login against the request, and send the person to step-up once.

Sources: OpenID Connect Core 3.1.2.1 and 3.1.2.3, 5.5.1.1; OIDC-NLGOV 5.2.5; RFC 9470.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from machtiging.identity.rules import LoginRequest, build_login_path
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.authentication_request import AuthenticationRequest

_LEVEL_BY_ACR: Mapping[str, Assurance] = {level.acr: level for level in Assurance}


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """A pending authorization: client, authentication request, and the step-up already done."""

    issuer: Issuer
    client: Client
    authentication_request: AuthenticationRequest
    pushed_at: datetime
    sent_to_login: bool


def satisfies_acr(assurance: Assurance, levels: Sequence[Sequence[str]]) -> bool:
    """Return whether the level satisfies one value of every list.

    A token never states a lower level than was requested (OIDC-NLGOV 5.2.2).
    """
    return all(any(_satisfies_acr_value(assurance, value) for value in values) for values in levels)


def _satisfies_acr_value(assurance: Assurance, acr: str) -> bool:
    return acr in _LEVEL_BY_ACR and assurance.is_at_least(_LEVEL_BY_ACR[acr])


def find_required_login(authorization: PendingAuthorization, visitor: Visitor | None) -> LoginRequest | None:
    """Find the login this request needs; None when the present login is enough.

    Step-up happens once. After that `verify_login` refuses, and the client gets the error.
    """
    wishes = authorization.authentication_request
    level = _find_lowest_level(wishes)
    if visitor is None:
        return LoginRequest("", level, wishes.login_hint, reauthenticate=wishes.max_login_age == 0)
    old = _exceeds_max_age(authorization, visitor)
    low = _is_satisfiable(wishes) and not satisfies_acr(visitor.assurance, wishes.levels)
    if authorization.sent_to_login or wishes.is_prompt_none or not (old or low):
        return None
    return LoginRequest("", level, wishes.login_hint, reauthenticate=old)


def _find_lowest_level(authentication_request: AuthenticationRequest) -> Assurance:
    """Find the lowest level that satisfies every list.

    It is at least the level of our own pages.
    """
    return next(
        (
            level
            for level in (Assurance.SUBSTANTIAL, Assurance.HIGH)
            if satisfies_acr(level, authentication_request.levels)
        ),
        Assurance.SUBSTANTIAL,
    )


def _is_satisfiable(authentication_request: AuthenticationRequest) -> bool:
    return satisfies_acr(Assurance.HIGH, authentication_request.levels)


def _exceeds_max_age(authorization: PendingAuthorization, visitor: Visitor) -> bool:
    """Return whether the login is older than the request allows.

    Measured from the push, in whole seconds like `auth_time`. So time on the consent page does not count.
    """
    oldest = authorization.authentication_request.max_login_age
    if oldest is None:
        return False
    return int(visitor.authenticated_at.timestamp()) < int(authorization.pushed_at.timestamp()) - oldest


def verify_login(authorization: PendingAuthorization, visitor: Visitor) -> None:
    """Verify the login against the request. The level is checked later, with that of the machtiging.

    Raises OAuthRefusal `login_required` for a login that is too old, for another login and for another person.
    """
    wishes = authorization.authentication_request
    if _exceeds_max_age(authorization, visitor):
        raise OAuthRefusal(OAuthErrorCode.LOGIN_REQUIRED, "inloggen_te_lang_geleden")
    if wishes.auth_times is not None and int(visitor.authenticated_at.timestamp()) not in wishes.auth_times:
        raise OAuthRefusal(OAuthErrorCode.LOGIN_REQUIRED, "andere_login")
    if wishes.subjects is not None:
        subject = authorization.issuer.keyring.pairwise_subject(
            visitor.person_id, authorization.client.sector_identifier
        )
        if subject not in wishes.subjects:
            raise OAuthRefusal(OAuthErrorCode.LOGIN_REQUIRED, "andere_persoon")


def build_login_redirect(required_login: LoginRequest, reference: Mapping[str, Any], *, practice: bool) -> str:
    """Build the redirect to the login page and back to the same request.

    A login hint may be a name, so outside practice it is not in the URL.
    """
    back = "/authorize?" + urlencode(reference)
    return build_login_path(
        LoginRequest(
            back,
            required_login.requested,
            required_login.login_hint if practice else None,
            required_login.reauthenticate,
        )
    )
