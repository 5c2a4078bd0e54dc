"""Parameters of an authentication request (Core 3.1.2.1): `prompt`, `max_age`, `acr_values`, hints, `claims`.

Parsed once, at the push, and stored with the request. `ui_locales`, `display` and `claims_locales` are ignored: there
is one language, and one page for every screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from machtiging.kernel.errors import NotAuthenticated
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, malformed
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.claims import claims_from, known_levels

KEPT_AS = "openid"
NONE, LOGIN, CONSENT, SELECT = "none", "login", "consent", "select_account"
_PROMPTS = frozenset({NONE, LOGIN, CONSENT})
_LONGEST_AGE = 10 * 365 * 24 * 3600
_LONGEST_HINT = 100
_ONLY_IN_ID_TOKENS = frozenset({"exp", "iat"})


@dataclass(frozen=True, slots=True)
class Wishes:
    """The authentication request, in the form that JSON stores.

    `levels`: one value of each list must be reached. None: any value.
    """

    prompts: list[str] = field(default_factory=list)
    max_age: int | None = None
    levels: list[list[str]] = field(default_factory=list)
    subjects: list[str] | None = None
    auth_times: list[int] | None = None
    login_hint: str | None = None
    id_token: list[str] = field(default_factory=list)
    userinfo: list[str] = field(default_factory=list)

    @property
    def silent(self) -> bool:
        """Return whether `prompt=none` forbids every page."""
        return NONE in self.prompts

    @property
    def oldest_login(self) -> int | None:
        """Return the maximum age of the login at the push, in seconds; None: any age."""
        return 0 if LOGIN in self.prompts else self.max_age

    @property
    def released(self) -> dict[str, list[str]]:
        """Return the claims to release after consent, by location; empty when there are none."""
        both = {"id_token": self.id_token, "userinfo": self.userinfo}
        return {place: names for place, names in both.items() if names}

    def kept(self) -> dict[str, Any]:
        """Return the JSON for the pushed request; `load_authentication_request` reads it."""
        plain = asdict(Wishes())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}


def wishes_of(parameters: Mapping[str, Any]) -> Wishes:
    """Load the authentication request from the stored parameters."""
    return Wishes(**parameters.get(KEPT_AS, {}))


def wishes_in(form: Mapping[str, Any], client: Client, issuer: Issuer) -> Wishes:
    """Parse the authentication request of a push. Raises OAuthRefusal `invalid_request`."""
    claims = claims_from(form.get("claims"))
    subjects = None if claims.subjects is None else list(claims.subjects)
    if "id_token_hint" in form:
        hinted = subject_in(str(form["id_token_hint"]), client.client_id, issuer)
        subjects = [hinted] if subjects is None or hinted in subjects else []
    acr_values = str(form.get("acr_values", "")).split()
    about = "openid" in str(form.get("scope", "")).split()
    return Wishes(
        prompts=_prompts(str(form.get("prompt", ""))),
        max_age=_age(form.get("max_age")),
        levels=[*([list(known_levels(acr_values))] if acr_values else []), *map(list, claims.levels)],
        subjects=subjects,
        auth_times=None if claims.auth_times is None else list(claims.auth_times),
        login_hint=str(form["login_hint"])[:_LONGEST_HINT] if "login_hint" in form else None,
        id_token=list(claims.id_token) if about else [],
        userinfo=list(claims.userinfo) if about else [],
    )


def _prompts(text: str) -> list[str]:
    prompts = text.split()
    if SELECT in prompts:
        raise malformed("account_kiezen_kan_niet", "prompt=select_account is not supported; use prompt=login.")
    if set(prompts) - _PROMPTS or len(set(prompts)) != len(prompts):
        raise malformed("parameter_niet_ondersteund", "This prompt is not supported.")
    if NONE in prompts and len(prompts) > 1:
        raise malformed("prompt_spreekt_zich_tegen", "prompt=none stands by itself (OpenID Connect Core 3.1.2.1).")
    return prompts


def _age(value: object) -> int | None:
    if value is None:
        return None
    text = str(value)
    if (
        isinstance(value, bool)
        or not (text.isascii() and text.isdigit() and len(text) <= 9)
        or int(text) > _LONGEST_AGE
    ):
        raise malformed("max_age_vormfout", "max_age is a whole number of seconds.")
    return int(text)


def subject_in(hint: str, client_id: str | None, issuer: Issuer) -> str:
    """Return the subject of an ID token of ours, of any age.

    Raises OAuthRefusal `invalid_request`, see `verify_id_token_hint`.
    """
    return str(hinted(hint, client_id, issuer)["sub"])


def hinted(hint: str, client_id: str | None, issuer: Issuer) -> dict[str, Any]:
    """Verify an `id_token_hint`: an ID token of ours for this client, of any age.

    Signed userinfo has the same issuer, subject, audience and key. An ID token differs by `iat` and `exp` (Core 2):
    userinfo never has them (see `userinfo.build_userinfo_response`).

    Raises OAuthRefusal `invalid_request`, with one text for every fault.
    """
    try:
        claims = issuer.keyring.verify_own_statement(hint, typ="JWT")
    except NotAuthenticated:
        raise _bad_hint() from None
    ours = claims.get("iss") == issuer.url and isinstance(claims.get("sub"), str)
    if not ours or not claims.keys() >= _ONLY_IN_ID_TOKENS or "auth_time" not in claims:
        raise _bad_hint()
    if not isinstance(claims.get("aud"), str) or client_id not in (None, claims["aud"]):
        raise _bad_hint()
    return claims


def _bad_hint() -> OAuthRefusal:
    return malformed("id_token_hint_ongeldig", "The id_token_hint is not an ID token of ours for this client.")
