"""Check the person's login against the request, and send the person to step-up once.

Sources: OpenID Connect Core 3.1.2.1 and 3.1.2.3, 5.5.1.1; OIDC-NLGOV 5.2.5; RFC 9470.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from machtiging.identity.rules import Wish, way_to_login
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.wishes import Wishes

_LEVELS: Mapping[str, Assurance] = {level.acr: level for level in Assurance}


@dataclass(frozen=True, slots=True)
class Asking:
    """A pending authorization: client, authentication request, and the step-up already done."""

    issuer: Issuer
    client: Client
    wishes: Wishes
    pushed_at: datetime
    sent_to_login: bool


def reaches(assurance: Assurance, levels: Sequence[Sequence[str]]) -> bool:
    """Return whether the level satisfies one value of every list.

    A token never states a lower level than was requested (OIDC-NLGOV 5.2.2).
    """
    return all(any(_reached(assurance, value) for value in values) for values in levels)


def _reached(assurance: Assurance, value: str) -> bool:
    return value in _LEVELS and assurance.reaches(_LEVELS[value])


def wish_for(asking: Asking, visitor: Visitor | None) -> Wish | None:
    """Find the login this request needs; None when the present login is enough.

    Step-up happens once. After that `verify_login` refuses, and the client gets the error.
    """
    wishes = asking.wishes
    level = _level_to_log_in_at(wishes)
    if visitor is None:
        return Wish("", level, wishes.login_hint, fresh=wishes.oldest_login == 0)
    old = _too_old(asking, visitor)
    low = _can_be_reached(wishes) and not reaches(visitor.assurance, wishes.levels)
    if asking.sent_to_login or wishes.silent or not (old or low):
        return None
    return Wish("", level, wishes.login_hint, fresh=old)


def _level_to_log_in_at(wishes: Wishes) -> Assurance:
    """Find the lowest level that satisfies every list.

    It is at least the level of our own pages.
    """
    return next(
        (level for level in (Assurance.SUBSTANTIAL, Assurance.HIGH) if reaches(level, wishes.levels)),
        Assurance.SUBSTANTIAL,
    )


def _can_be_reached(wishes: Wishes) -> bool:
    return reaches(Assurance.HIGH, wishes.levels)


def _too_old(asking: Asking, visitor: Visitor) -> bool:
    """Return whether the login is older than the request allows.

    Measured from the push, in whole seconds like `auth_time`. So time on the consent page does not count.
    """
    oldest = asking.wishes.oldest_login
    if oldest is None:
        return False
    return int(visitor.authenticated_at.timestamp()) < int(asking.pushed_at.timestamp()) - oldest


def check(asking: Asking, visitor: Visitor) -> None:
    """Verify the login against the request. The level is checked later, with that of the machtiging.

    Raises OAuthRefusal `login_required` for a login that is too old, for another login and for another person.
    """
    wishes = asking.wishes
    if _too_old(asking, visitor):
        raise OAuthRefusal(Wire.LOGIN_REQUIRED, "inloggen_te_lang_geleden")
    if wishes.auth_times is not None and int(visitor.authenticated_at.timestamp()) not in wishes.auth_times:
        raise OAuthRefusal(Wire.LOGIN_REQUIRED, "andere_login")
    if wishes.subjects is not None:
        subject = asking.issuer.keyring.pseudonym(visitor.person_id, asking.client.sector)
        if subject not in wishes.subjects:
            raise OAuthRefusal(Wire.LOGIN_REQUIRED, "andere_persoon")


def way(wish: Wish, reference: Mapping[str, Any], *, practice: bool) -> str:
    """Build the redirect to the login page and back to the same request.

    A login hint may be a name, so outside practice it is not in the URL.
    """
    back = "/authorize?" + urlencode(reference)
    return way_to_login(Wish(back, wish.requested, wish.login_hint if practice else None, wish.fresh))
