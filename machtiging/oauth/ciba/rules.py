"""Parameters and limits of a CIBA request. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from machtiging.delegation.codes import ALPHABET, check_character, normalise
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal, Wire, malformed
from machtiging.oauth.rules import Wanted, for_own_app_only, wanted_from

MELDCODE_LENGTH = 8
MELDCODE_LIVES = timedelta(minutes=10)
STANDS = timedelta(minutes=5)
STANDS_AT_MOST = timedelta(minutes=10)
INTERVAL, SLOWER, LONGEST_INTERVAL = 5, 5, 60
# Network delay varies, so a poll may arrive this much before its interval has passed.
EARLY = timedelta(seconds=1)
WINDOW = timedelta(hours=1)
MOST_OF_PERSON, MOST_OF_CLIENT = 10, 300
_HINTS = ("login_hint", "id_token_hint", "login_hint_token")
# These parameters change the meaning of a request. To ignore them would be a silent downgrade.
_UNSUPPORTED = ("claims", "max_age", "prompt", "request", "request_uri", "resource", "user_code")
_KEPT = ("acr_values", "authorization_details", "scope")
# ASCII only, against look-alikes; words with one separator between them.
_BINDING = re.compile(r"[A-Za-z0-9](?:(?:[ ,-]|, | - )?[A-Za-z0-9])*")
_LONGEST_BINDING = 40
_EXPIRY = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A validated backchannel authentication request (CIBA 7.1).

    `parameters`: the part that is stored and read again at the decision.
    """

    meldcode: str
    binding_message: str
    stands: timedelta
    wanted: Wanted | None
    parameters: dict[str, Any]


def ask_from(form: Mapping[str, str], client: Client) -> Ask:
    """Parse the form, as far as no person is needed for it.

    Raises OAuthRefusal `invalid_request`, `invalid_scope`, `invalid_binding_message`, `unknown_user_id`,
    `invalid_authorization_details`.
    """
    for name in _UNSUPPORTED:
        if name in form:
            raise malformed("parameter_niet_ondersteund", f"The parameter {name} is not supported here.")
    scope = client.get_allowed_scope(form.get("scope"))
    if scope is None or "openid" not in scope.split():  # CIBA 7.1
        raise OAuthRefusal(Wire.INVALID_SCOPE, "scope_ongeldig")
    wanted = wanted_from(form.get("authorization_details"))
    for_own_app_only(wanted, "handeling_niet_aan_balie")
    return Ask(
        meldcode=_hint(form),
        binding_message=_binding_message(form.get("binding_message", "")),
        stands=_stands(form.get("requested_expiry")),
        wanted=wanted,
        parameters={name: form[name] for name in _KEPT if name in form},
    )


def _hint(form: Mapping[str, str]) -> str:
    """Return the meldcode in `login_hint`. Raises OAuthRefusal.

    A typing error is reported: the format of a code reveals nothing about a person.
    """
    given = [name for name in _HINTS if name in form]
    if len(given) != 1:
        raise malformed("niet_precies_een_hint", "Exactly one hint is needed: login_hint.")
    if given != ["login_hint"]:
        raise malformed("hint_niet_ondersteund", "The hint is a meldcode in login_hint.")
    code = normalise(form["login_hint"])
    if not well_formed(code):
        raise OAuthRefusal(Wire.UNKNOWN_USER_ID, "meldcode_vormfout")
    return code


def well_formed(code: str) -> bool:
    """Return whether the code has the length, letters and check character of a meldcode."""
    return len(code) == MELDCODE_LENGTH and set(code) <= set(ALPHABET) and check_character(code[:-1]) == code[-1]


def _binding_message(text: str) -> str:
    """Return the text for both screens; it has no look-alike characters (CIBA 7.1, 13).

    Raises OAuthRefusal `invalid_binding_message`.
    """
    if len(text) > _LONGEST_BINDING or _BINDING.fullmatch(text) is None:
        raise OAuthRefusal(Wire.INVALID_BINDING_MESSAGE, "koppeltekst_vormfout")
    return text


def _stands(asked: str | None) -> timedelta:
    if asked is None:
        return STANDS
    if _EXPIRY.fullmatch(asked) is None:
        raise malformed("looptijd_vormfout", "The requested_expiry is a number of seconds.")
    return min(timedelta(seconds=int(asked)), STANDS_AT_MOST)
