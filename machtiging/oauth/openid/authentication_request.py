"""Parameters of an authentication request (Core 3.1.2.1): `prompt`, `max_age`, `acr_values`, hints, `claims`.

Parsed once, at the push, and stored with the request. `ui_locales`, `display` and `claims_locales` are ignored: the
person chooses the language, and there is one page for every screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from machtiging.kernel.errors import NotAuthenticated
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, invalid_request_error
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.claims_parameter import filter_supported_levels, parse_claims_parameter

STORED_AS = "openid"
PROMPT_NONE, PROMPT_LOGIN, PROMPT_CONSENT, PROMPT_SELECT_ACCOUNT = "none", "login", "consent", "select_account"
_SUPPORTED_PROMPTS = frozenset({PROMPT_NONE, PROMPT_LOGIN, PROMPT_CONSENT})
_MAX_MAX_AGE_SECONDS = 10 * 365 * 24 * 3600
_MAX_LOGIN_HINT_LENGTH = 100
_ID_TOKEN_ONLY_CLAIMS = frozenset({"exp", "iat"})


@dataclass(frozen=True, slots=True)
class AuthenticationRequest:
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
    def is_prompt_none(self) -> bool:
        """Return whether `prompt=none` forbids every page."""
        return PROMPT_NONE in self.prompts

    @property
    def max_login_age(self) -> int | None:
        """Return the maximum age of the login at the push, in seconds; None: any age."""
        return 0 if PROMPT_LOGIN in self.prompts else self.max_age

    @property
    def claims_to_release(self) -> dict[str, list[str]]:
        """Return the claims to release after consent, by location; empty when there are none."""
        both = {"id_token": self.id_token, "userinfo": self.userinfo}
        return {place: names for place, names in both.items() if names}

    def to_stored_json(self) -> dict[str, Any]:
        """Return the JSON for the pushed request; `load_authentication_request` reads it."""
        plain = asdict(AuthenticationRequest())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}


def load_authentication_request(parameters: Mapping[str, Any]) -> AuthenticationRequest:
    """Load the authentication request from the stored parameters."""
    return AuthenticationRequest(**parameters.get(STORED_AS, {}))


def parse_authentication_request(form: Mapping[str, Any], client: Client, issuer: Issuer) -> AuthenticationRequest:
    """Parse the authentication request of a push. Raises OAuthRefusal `invalid_request`."""
    claims = parse_claims_parameter(form.get("claims"))
    subjects = None if claims.subjects is None else list(claims.subjects)
    if "id_token_hint" in form:
        hinted = verify_hint_subject(str(form["id_token_hint"]), client.client_id, issuer)
        subjects = [hinted] if subjects is None or hinted in subjects else []
    acr_values = str(form.get("acr_values", "")).split()
    about = "openid" in str(form.get("scope", "")).split()
    return AuthenticationRequest(
        prompts=_parse_prompts(str(form.get("prompt", ""))),
        max_age=_parse_max_age(form.get("max_age")),
        levels=[*([list(filter_supported_levels(acr_values))] if acr_values else []), *map(list, claims.levels)],
        subjects=subjects,
        auth_times=None if claims.auth_times is None else list(claims.auth_times),
        login_hint=str(form["login_hint"])[:_MAX_LOGIN_HINT_LENGTH] if "login_hint" in form else None,
        id_token=list(claims.id_token) if about else [],
        userinfo=list(claims.userinfo) if about else [],
    )


def _parse_prompts(text: str) -> list[str]:
    prompts = text.split()
    if PROMPT_SELECT_ACCOUNT in prompts:
        raise invalid_request_error("account_kiezen_kan_niet")
    if set(prompts) - _SUPPORTED_PROMPTS or len(set(prompts)) != len(prompts):
        raise invalid_request_error("parameter_niet_ondersteund", variant="prompt")
    if PROMPT_NONE in prompts and len(prompts) > 1:
        raise invalid_request_error("prompt_spreekt_zich_tegen")
    return prompts


def _parse_max_age(value: object) -> int | None:
    if value is None:
        return None
    text = str(value)
    if (
        isinstance(value, bool)
        or not (text.isascii() and text.isdigit() and len(text) <= 9)
        or int(text) > _MAX_MAX_AGE_SECONDS
    ):
        raise invalid_request_error("max_age_vormfout")
    return int(text)


def verify_hint_subject(hint: str, client_id: str | None, issuer: Issuer) -> str:
    """Return the subject of an ID token of ours, of any age.

    Raises OAuthRefusal `invalid_request`, see `verify_id_token_hint`.
    """
    return str(verify_id_token_hint(hint, client_id, issuer)["sub"])


def verify_id_token_hint(hint: str, client_id: str | None, issuer: Issuer) -> dict[str, Any]:
    """Verify an `id_token_hint`: an ID token of ours for this client, of any age.

    Signed userinfo has the same issuer, subject, audience and key. An ID token differs by `iat` and `exp` (Core 2):
    userinfo never has them (see `userinfo.build_userinfo_response`).

    Raises OAuthRefusal `invalid_request`, with one text for every fault.
    """
    try:
        claims = issuer.keyring.verify_own_statement(hint, typ="JWT")
    except NotAuthenticated:
        raise _id_token_hint_refusal() from None
    ours = claims.get("iss") == issuer.url and isinstance(claims.get("sub"), str)
    if not ours or not claims.keys() >= _ID_TOKEN_ONLY_CLAIMS or "auth_time" not in claims:
        raise _id_token_hint_refusal()
    if not isinstance(claims.get("aud"), str) or client_id not in (None, claims["aud"]):
        raise _id_token_hint_refusal()
    return claims


def _id_token_hint_refusal() -> OAuthRefusal:
    return invalid_request_error("id_token_hint_ongeldig")
