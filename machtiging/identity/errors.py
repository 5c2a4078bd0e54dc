"""Failures of a login, and the texts that explain them to the visitor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from machtiging.kernel.errors import NotAuthenticated
from machtiging.message_catalogue import get_sentence

LOGIN_CANCELLED = "inloggen_gestopt"


class LoginFailed(NotAuthenticated):
    """A login failed. `code` is the reason, for the page and the log."""

    code_is_key = False


class IdTokenRejected(LoginFailed):
    """The id_token has a valid signature, but its claims are refused. This failure is journalled."""


class LoginFailureText(NamedTuple):
    """HTTP status and message key of the page about a failed login."""

    status: int
    key: str

    @property
    def title(self) -> str:
        """The title of the page."""
        return get_sentence(f"login.failed.{self.key}.title")

    @property
    def text(self) -> str:
        """The explanation under the title."""
        return get_sentence(f"login.failed.{self.key}")

    @property
    def help(self) -> str:
        """The advice: what the visitor does now."""
        return get_sentence(f"login.failed.{self.key}.help")

    @property
    def has_reference(self) -> bool:
        """True if the page names the request and the reason, for whoever helps the visitor."""
        return self.key not in (_CANCELLED_KEY, _LEVEL_TOO_LOW_KEY)

    @property
    def is_level_too_low(self) -> bool:
        """True if a safer login helps, which the page explains in steps."""
        return self.key == _LEVEL_TOO_LOW_KEY


_CANCELLED_KEY, _LEVEL_TOO_LOW_KEY = "cancelled", "level_too_low"
_EXPIRED_TEXT = LoginFailureText(400, "expired")
_DEFAULT_TEXT = LoginFailureText(400, "failed")
_TEXTS_BY_CODE: Mapping[str, LoginFailureText] = {
    LOGIN_CANCELLED: LoginFailureText(200, _CANCELLED_KEY),
    "andere_browser": _EXPIRED_TEXT,
    "inlogpoging_onbekend": _EXPIRED_TEXT,
    "inlogpoging_verlopen": _EXPIRED_TEXT,
    "inloggen_te_lang_geleden": _EXPIRED_TEXT,
    "niveau_te_laag": LoginFailureText(403, _LEVEL_TOO_LOW_KEY),
    "broker_niet_bereikbaar": LoginFailureText(503, "broker_unreachable"),
}


def explain_login_failure(failure: LoginFailed) -> LoginFailureText:
    """Return the text for a failed login. The exact reason is shown as a code only."""
    return _TEXTS_BY_CODE.get(failure.code, _DEFAULT_TEXT)
