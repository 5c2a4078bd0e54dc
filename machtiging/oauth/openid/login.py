"""Whether the person's login is what a request asks for; and if not, the way to a login that is (step-up), once.

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
    """A request that waits for this person: whose it is, what it wishes, and what was done about that."""

    issuer: Issuer
    client: Client
    wishes: Wishes
    pushed_at: datetime
    sent_to_login: bool


def reaches(assurance: Assurance, levels: Sequence[Sequence[str]]) -> bool:
    """Whether of each list of levels one is reached. A token never says less than was asked (OIDC-NLGOV 5.2.2)."""
    return all(any(_reached(assurance, value) for value in values) for values in levels)


def _reached(assurance: Assurance, value: str) -> bool:
    return value in _LEVELS and assurance.reaches(_LEVELS[value])


def wish_for(asking: Asking, visitor: Visitor | None) -> Wish | None:
    """The login that is needed before this request can be put before the person; None when hers will do.

    Whoever was sent to log in once is not sent again: `check` then refuses, and the app is told.
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
    """The lowest that satisfies every list, and never lower than a login of our own pages."""
    return next(
        (level for level in (Assurance.SUBSTANTIAL, Assurance.HIGH) if reaches(level, wishes.levels)),
        Assurance.SUBSTANTIAL,
    )


def _can_be_reached(wishes: Wishes) -> bool:
    return reaches(Assurance.HIGH, wishes.levels)


def _too_old(asking: Asking, visitor: Visitor) -> bool:
    """Measured from when the app asked, in whole seconds as `auth_time` is: reading the page takes nobody's login."""
    oldest = asking.wishes.oldest_login
    if oldest is None:
        return False
    return int(visitor.authenticated_at.timestamp()) < int(asking.pushed_at.timestamp()) - oldest


def check(asking: Asking, visitor: Visitor) -> None:
    """The login as it is, against what is asked. The level is judged later, with that of the machtiging.

    Raises OAuthRefusal `login_required` for a login that is too old, another than the app means, or another person's.
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
    """The way to the login page and back to the same request. A hint may be a name: it stays out of addresses."""
    back = "/authorize?" + urlencode(reference)
    return way_to_login(Wish(back, wish.requested, wish.login_hint if practice else None, wish.fresh))
