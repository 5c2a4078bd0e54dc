"""OAuth error codes and their fixed descriptions for clients.

The journal gets the exact reason code, or the log when the caller proved nothing. The client gets one of the RFC's
errors and a fixed sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from machtiging.kernel import errors
from machtiging.message_catalogue import ENGLISH, find_sentence, get_sentence


class OAuthErrorCode(StrEnum):
    """OAuth error codes (RFC 6749 4.1.2.1 and 5.2, and extensions).

    Also RFC 9396 section 5, RFC 8707 section 2, RFC 9101 section 7 and OpenID Core 3.1.2.6.
    """

    ACCESS_DENIED = "access_denied"
    AUTHORIZATION_PENDING = "authorization_pending"
    EXPIRED_TOKEN = "expired_token"
    CONSENT_REQUIRED = "consent_required"
    INVALID_AUTHORIZATION_DETAILS = "invalid_authorization_details"
    INVALID_BINDING_MESSAGE = "invalid_binding_message"
    INVALID_CLIENT = "invalid_client"
    INVALID_CLIENT_METADATA = "invalid_client_metadata"
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    INVALID_GRANT = "invalid_grant"
    INVALID_REDIRECT_URI = "invalid_redirect_uri"
    INVALID_REQUEST = "invalid_request"
    INVALID_REQUEST_URI = "invalid_request_uri"
    INVALID_REQUEST_OBJECT = "invalid_request_object"
    INVALID_SCOPE = "invalid_scope"
    INVALID_SOFTWARE_STATEMENT = "invalid_software_statement"
    INVALID_TARGET = "invalid_target"
    LOGIN_REQUIRED = "login_required"
    SERVER_ERROR = "server_error"
    SLOW_DOWN = "slow_down"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    UNAPPROVED_SOFTWARE_STATEMENT = "unapproved_software_statement"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNKNOWN_USER_ID = "unknown_user_id"
    UNMET_AUTHENTICATION_REQUIREMENTS = "unmet_authentication_requirements"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    USE_DPOP_NONCE = "use_dpop_nonce"


class OAuthErrorResponse(NamedTuple):
    """Status, error code and description of one OAuth error response."""

    status: int
    error: OAuthErrorCode
    description: str


class OAuthRefusal(errors.Refusal):
    """A refusal with an OAuth error code.

    `code` is the exact reason for the journal. The client gets the fixed description of the OAuth error, or the
    sentence of `description`, a message in English.

    `disclose_cause` adds the sentence of the reason code, for the client's developer: outside production, and
    everywhere when `authenticated`. That caller has proved its identity, so the sentence does not reveal which clients
    exist.
    """

    def __init__(
        self,
        error: OAuthErrorCode,
        code: str,
        *,
        description: errors.Message | None = None,
        private: str = "",
        disclose_cause: bool = False,
        authenticated: bool = False,
    ) -> None:
        super().__init__(code, message="verzoek_van_app_ongeldig", private=private)
        self.error = error
        self.description = description or default_description(error)
        self.disclose_cause = disclose_cause
        self.authenticated = authenticated

    def build_description(self, *, practice: bool) -> str:
        """Build the `error_description`, with the cause where it may be disclosed."""
        described = find_sentence(self.description, ENGLISH)
        if self.disclose_cause and (practice or self.authenticated):
            described += " " + get_sentence(f"oauth.client_authentication.{self.code}", ENGLISH)
        return described


def default_description(error: OAuthErrorCode) -> errors.Message:
    """Return the fixed description of an OAuth error.

    One text per error prevents enumeration: the wording must not tell an unknown client from a wrong key, or a missing
    machtiging from another person's. Only invalid_request says what to correct.
    """
    return errors.Message(f"oauth.error.{error.value}")


# Status and OAuth error of the kernel's errors. A Fault is answered by web/, after the rollback.
ERROR_RESPONSES: Mapping[type[errors.MachtigingError], tuple[int, OAuthErrorCode]] = {
    errors.InvalidInput: (400, OAuthErrorCode.INVALID_REQUEST),
    errors.NotAuthenticated: (401, OAuthErrorCode.INVALID_CLIENT),
    errors.NotAllowed: (400, OAuthErrorCode.UNAUTHORIZED_CLIENT),
    errors.ActionMissing: (400, OAuthErrorCode.UNAUTHORIZED_CLIENT),
    errors.LevelTooLow: (400, OAuthErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS),
    errors.NotInForce: (400, OAuthErrorCode.INVALID_GRANT),
    errors.NotFound: (400, OAuthErrorCode.INVALID_GRANT),
    errors.Conflict: (400, OAuthErrorCode.INVALID_GRANT),
    errors.TooLarge: (413, OAuthErrorCode.INVALID_REQUEST),
    errors.UnsupportedMedia: (415, OAuthErrorCode.INVALID_REQUEST),
    errors.TooMany: (429, OAuthErrorCode.TEMPORARILY_UNAVAILABLE),
    errors.Refusal: (400, OAuthErrorCode.INVALID_REQUEST),
    errors.Fault: (500, OAuthErrorCode.SERVER_ERROR),
    errors.MachtigingError: (500, OAuthErrorCode.SERVER_ERROR),
}


def to_oauth_error(error: errors.MachtigingError, *, practice: bool = False) -> OAuthErrorResponse:
    """Map an error of ours to an OAuth error response.

    The most specific class in `ERROR_RESPONSES` decides.

    `practice`: outside production the cause is added.
    """
    if isinstance(error, OAuthRefusal):
        described = error.build_description(practice=practice)
        return OAuthErrorResponse(401 if error.error is OAuthErrorCode.INVALID_CLIENT else 400, error.error, described)
    status, wire = next(ERROR_RESPONSES[kind] for kind in type(error).__mro__ if kind in ERROR_RESPONSES)
    return OAuthErrorResponse(status, wire, find_sentence(default_description(wire), ENGLISH))


def invalid_request_error(code: str, variant: str = "", **params: object) -> OAuthRefusal:
    """Build an `invalid_request` refusal with a sentence for the developer: the message `oauth.<code>[.<variant>]`."""
    key = f"oauth.{code}.{variant}" if variant else f"oauth.{code}"
    return OAuthRefusal(OAuthErrorCode.INVALID_REQUEST, code, description=errors.Message(key, params))
