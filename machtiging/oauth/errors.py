"""OAuth error codes and their fixed descriptions for clients.

The journal gets the exact reason code, or the log when the caller proved nothing. The client gets one of the RFC's
errors and a fixed sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from machtiging.kernel import errors


class Wire(StrEnum):
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


# One text per error, against enumeration: the wording must not tell an unknown client from a wrong key, or a missing
# machtiging from another person's. Only invalid_request says what to correct.
TEXTS: Mapping[Wire, str] = {
    Wire.ACCESS_DENIED: "The request was refused.",
    Wire.AUTHORIZATION_PENDING: "The person has not decided yet.",
    Wire.EXPIRED_TOKEN: "The auth_req_id has expired.",
    Wire.CONSENT_REQUIRED: "The person has to see a page and agree, so prompt=none cannot be served.",
    Wire.INVALID_AUTHORIZATION_DETAILS: "The authorization_details cannot be granted.",
    Wire.INVALID_BINDING_MESSAGE: "Give 1 to 40 plain letters, digits, spaces, commas or hyphens.",
    Wire.INVALID_CLIENT: "Client authentication failed.",
    Wire.INVALID_CLIENT_METADATA: "The client metadata are not acceptable.",
    Wire.INVALID_DPOP_PROOF: "The DPoP proof is missing, or is not one for this request.",
    Wire.INVALID_GRANT: "The code or token is not valid, or no longer.",
    Wire.INVALID_REDIRECT_URI: "A redirect_uri is not acceptable.",
    Wire.INVALID_REQUEST: "The request is malformed.",
    Wire.INVALID_REQUEST_OBJECT: "The request object is not valid, was used before, or is not all that was sent.",
    Wire.INVALID_REQUEST_URI: "The request_uri is unknown, expired or was used before.",
    Wire.INVALID_SCOPE: "The scope is unknown, malformed or not registered for this client.",
    Wire.INVALID_SOFTWARE_STATEMENT: "The software statement is not a signed statement.",
    Wire.INVALID_TARGET: "The resource is unknown.",
    Wire.LOGIN_REQUIRED: "The person has to log in for this.",
    Wire.SERVER_ERROR: "Something went wrong on our side.",
    Wire.SLOW_DOWN: "The person has not decided yet. Wait longer before you ask again.",
    Wire.TEMPORARILY_UNAVAILABLE: "Too many tries. Wait and try again.",
    Wire.UNAPPROVED_SOFTWARE_STATEMENT: "No issuer of software statements is trusted here.",
    Wire.UNAUTHORIZED_CLIENT: "The client is not registered for this.",
    Wire.UNKNOWN_USER_ID: "The login_hint is not written as a meldcode.",
    Wire.UNMET_AUTHENTICATION_REQUIREMENTS: "The level of assurance that was asked for cannot be reached.",
    Wire.UNSUPPORTED_GRANT_TYPE: "This grant type is not supported.",
    Wire.UNSUPPORTED_RESPONSE_TYPE: "Only the response type code is supported.",
    Wire.USE_DPOP_NONCE: "The DPoP proof must hold the nonce in the header DPoP-Nonce.",
}


# Causes of failed client authentication by reason code: for the developer, where `OAuthRefusal.cause` is disclosed.
CLIENT_AUTH_CAUSES: Mapping[str, str] = {
    "bewijs_algoritme": "The alg of the assertion is not ES256 or PS256, or is not the one of the registered key.",
    "bewijs_hergebruikt": "This assertion was used before: make a new one, with a new jti, for each request.",
    "bewijs_kid_onbekend": "No registered key has the kid of the assertion.",
    "bewijs_kid_ontbreekt": "The assertion has no kid, and more than one registered key fits.",
    "bewijs_ondertekening": "The signature of the assertion is not made with the registered key.",
    "bewijs_te_oud": "The iat of the assertion is more than five minutes ago.",
    "bewijs_typ": "The typ of the assertion must be JWT or client-authentication+jwt.",
    "bewijs_uit_de_toekomst": "The iat or nbf of the assertion lies in the future.",
    "bewijs_van_ander": "The iss and sub of the assertion must be the client_id.",
    "bewijs_verlopen": "The assertion has expired.",
    "bewijs_voor_ander": "The aud of the assertion must be the issuer of this server, and nothing else.",
    "bewijs_vormfout": "The client_assertion is no JWT with a sub, or its client_assertion_type is wrong.",
    "bewijs_zonder_jti": "The assertion needs a jti of 1 to 256 characters.",
    "bewijs_zonder_tijd": "The assertion needs exp and iat, in seconds.",
    "certificaat_onbekend": "The TLS certificate is not the one that was registered.",
    "certificaat_ontbreekt": "No TLS certificate was shown.",
    "client_andere_methode": "The client registered another authentication method.",
    "client_id_wijkt_af": "The client_id differs from the client that authenticated.",
    "client_onbekend": "No client is known under this client_id with this authentication method.",
    "client_zonder_sleutels": "The client registered no keys.",
    "geheim_niet_ondersteund": "There are no client secrets here: authenticate with private_key_jwt.",
    "sleutels_niet_opgehaald": "The keys at the jwks_uri of the client could not be fetched.",
    "sleutels_niet_te_halen": "The keys at the jwks_uri of the client could not be fetched.",
    "sleutels_ophalen_te_druk": "The keys at the jwks_uri of the client could not be fetched now. Try again.",
}


class Answer(NamedTuple):
    """Status, error code and description of one OAuth error response."""

    status: int
    error: Wire
    description: str


class OAuthRefusal(errors.Refusal):
    """A refusal with an OAuth error code.

    `code` is the exact reason for the journal; `description` is for the client.

    `cause` states the exact reason for the client's developer. It is disclosed outside production, and everywhere when
    `authenticated`: that caller has proved its identity, so the sentence does not reveal which clients exist.
    """

    def __init__(
        self,
        error: Wire,
        code: str,
        description: str = "",
        *,
        private: str = "",
        cause: str = "",
        proven: bool = False,
    ) -> None:
        super().__init__(code, "Dit verzoek van de app klopt niet.", private=private)
        self.error = error
        self.description = description or TEXTS[error]
        self.cause = cause
        self.proven = proven

    def description_for(self, *, practice: bool) -> str:
        """Build the `error_description`, with the cause where it may be disclosed."""
        return f"{self.description} {self.cause}" if self.cause and (practice or self.proven) else self.description


# Status and OAuth error of the kernel's errors. A Fault is answered by web/, after the rollback.
ANSWERS: Mapping[type[errors.MachtigingError], tuple[int, Wire]] = {
    errors.InvalidInput: (400, Wire.INVALID_REQUEST),
    errors.NotAuthenticated: (401, Wire.INVALID_CLIENT),
    errors.NotAllowed: (400, Wire.UNAUTHORIZED_CLIENT),
    errors.ActionMissing: (400, Wire.UNAUTHORIZED_CLIENT),
    errors.LevelTooLow: (400, Wire.UNMET_AUTHENTICATION_REQUIREMENTS),
    errors.NotInForce: (400, Wire.INVALID_GRANT),
    errors.NotFound: (400, Wire.INVALID_GRANT),
    errors.Conflict: (400, Wire.INVALID_GRANT),
    errors.TooLarge: (413, Wire.INVALID_REQUEST),
    errors.UnsupportedMedia: (415, Wire.INVALID_REQUEST),
    errors.TooMany: (429, Wire.TEMPORARILY_UNAVAILABLE),
    errors.Refusal: (400, Wire.INVALID_REQUEST),
    errors.Fault: (500, Wire.SERVER_ERROR),
    errors.MachtigingError: (500, Wire.SERVER_ERROR),
}


def answer_of(error: errors.MachtigingError, *, practice: bool = False) -> Answer:
    """Map an error of ours to an OAuth error response.

    The most specific class in `ERROR_RESPONSES` decides.

    `practice`: outside production the cause is added.
    """
    if isinstance(error, OAuthRefusal):
        described = error.description_for(practice=practice)
        return Answer(401 if error.error is Wire.INVALID_CLIENT else 400, error.error, described)
    status, wire = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    return Answer(status, wire, TEXTS[wire])


def malformed(code: str, description: str) -> OAuthRefusal:
    """Build an `invalid_request` refusal with a sentence for the developer."""
    return OAuthRefusal(Wire.INVALID_REQUEST, code, description)
