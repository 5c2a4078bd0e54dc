"""Parameters and limits of a CIBA request. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from machtiging.kernel.readable_code import CODE_ALPHABET, compute_check_character, normalise_code
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RequestedAuthorizationDetails
from machtiging.oauth.authorization_details.parsing import (
    parse_authorization_details,
    refuse_own_app_acts,
    refuse_several_representations,
)
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, invalid_request_error

MELDCODE_LENGTH = 8
MELDCODE_LIFETIME = timedelta(minutes=10)
REQUEST_LIFETIME = timedelta(minutes=5)
MAX_REQUEST_LIFETIME = timedelta(minutes=10)
POLL_INTERVAL_SECONDS, SLOW_DOWN_SECONDS, MAX_POLL_INTERVAL_SECONDS = 5, 5, 60
# Network delay varies, so a poll may arrive this much before its interval has passed.
POLL_TOLERANCE = timedelta(seconds=1)
RATE_LIMIT_WINDOW = timedelta(hours=1)
MAX_REQUESTS_PER_PERSON, MAX_REQUESTS_PER_CLIENT = 10, 300
_HINT_PARAMETERS = ("login_hint", "id_token_hint", "login_hint_token")
# These parameters change the meaning of a request. To ignore them would be a silent downgrade.
_UNSUPPORTED_PARAMETERS = ("claims", "max_age", "prompt", "request", "request_uri", "resource", "user_code")
_STORED_PARAMETERS = ("acr_values", "authorization_details", "scope")
# ASCII only, against look-alikes; words with one separator between them.
_BINDING_MESSAGE = re.compile(r"[A-Za-z0-9](?:(?:[ ,-]|, | - )?[A-Za-z0-9])*")
_MAX_BINDING_MESSAGE_LENGTH = 40
_REQUESTED_EXPIRY = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class BackchannelAuthenticationRequest:
    """A validated backchannel authentication request (CIBA 7.1).

    `parameters`: the part that is stored and read again at the decision.
    """

    meldcode: str
    binding_message: str
    lifetime: timedelta
    requested: RequestedAuthorizationDetails | None
    parameters: dict[str, Any]


def parse_backchannel_request(
    form: Mapping[str, str], client: Client, handler: AuthorizationDetailsHandler
) -> BackchannelAuthenticationRequest:
    """Parse the form, as far as no person is needed for it.

    Raises OAuthRefusal `invalid_request`, `invalid_scope`, `invalid_binding_message`, `unknown_user_id`,
    `invalid_authorization_details`.
    """
    for name in _UNSUPPORTED_PARAMETERS:
        if name in form:
            raise invalid_request_error("parameter_niet_ondersteund", variant="ciba", name=name)
    scope = client.get_allowed_scope(form.get("scope"))
    if scope is None or "openid" not in scope.split():  # CIBA 7.1
        raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "scope_ongeldig")
    wanted = parse_authorization_details(handler, form.get("authorization_details"))
    refuse_own_app_acts(wanted, "handeling_niet_aan_balie")
    refuse_several_representations(wanted, "meer_machtigingen_niet_aan_balie")
    return BackchannelAuthenticationRequest(
        meldcode=_parse_hint(form),
        binding_message=_validate_binding_message(form.get("binding_message", "")),
        lifetime=_parse_requested_expiry(form.get("requested_expiry")),
        requested=wanted,
        parameters={name: form[name] for name in _STORED_PARAMETERS if name in form},
    )


def _parse_hint(form: Mapping[str, str]) -> str:
    """Return the meldcode in `login_hint`. Raises OAuthRefusal.

    A typing error is reported: the format of a code reveals nothing about a person.
    """
    given_hints = [name for name in _HINT_PARAMETERS if name in form]
    if len(given_hints) != 1:
        raise invalid_request_error("niet_precies_een_hint")
    if given_hints != ["login_hint"]:
        raise invalid_request_error("hint_niet_ondersteund")
    code = normalise_code(form["login_hint"])
    if not is_valid_meldcode(code):
        raise OAuthRefusal(OAuthErrorCode.UNKNOWN_USER_ID, "meldcode_vormfout")
    return code


def is_valid_meldcode(code: str) -> bool:
    """Return whether the code has the length, letters and check character of a meldcode."""
    return (
        len(code) == MELDCODE_LENGTH
        and set(code) <= set(CODE_ALPHABET)
        and compute_check_character(code[:-1]) == code[-1]
    )


def _validate_binding_message(text: str) -> str:
    """Return the text for both screens; it has no look-alike characters (CIBA 7.1, 13).

    Raises OAuthRefusal `invalid_binding_message`.
    """
    if len(text) > _MAX_BINDING_MESSAGE_LENGTH or _BINDING_MESSAGE.fullmatch(text) is None:
        raise OAuthRefusal(OAuthErrorCode.INVALID_BINDING_MESSAGE, "koppeltekst_vormfout")
    return text


def _parse_requested_expiry(value: str | None) -> timedelta:
    if value is None:
        return REQUEST_LIFETIME
    if _REQUESTED_EXPIRY.fullmatch(value) is None:
        raise invalid_request_error("looptijd_vormfout")
    return min(timedelta(seconds=int(value)), MAX_REQUEST_LIFETIME)
