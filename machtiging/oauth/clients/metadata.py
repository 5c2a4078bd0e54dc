"""Client metadata (RFC 7591 section 2): one model of all members, their errors, and the defaults. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from machtiging.kernel.errors import Message
from machtiging.oauth.client import (
    AUTH_METHOD_NONE,
    AUTHORIZATION_CODE,
    CIBA,
    CLIENT_CREDENTIALS,
    PRIVATE_KEY_JWT,
    REFRESH_TOKEN,
    SELF_SIGNED_TLS_CLIENT_AUTH,
    TLS_CLIENT_AUTH,
    TOKEN_EXCHANGE,
)
from machtiging.oauth.client_jwks.key_validation import find_jwks_errors
from machtiging.oauth.clients.metadata_rules import CODE_FLOW_GRANT_TYPES, MACHINE_GRANT_TYPES, find_rule_errors
from machtiging.oauth.clients.metadata_values import (
    check_client_id,
    check_client_name,
    check_contacts,
    check_page_uri,
    check_short_text,
    check_uri,
)

_SIGNING_ALGS = ("PS256", "RS256", "ES256")
_REQUEST_ALGS = ("ES256", "PS256")
# Members with a closed choice. Their errors come first, in this order.
_ALLOWED_VALUES: Mapping[str, tuple[Any, ...]] = {
    "tls_client_certificate_bound_access_tokens": (True, False),
    "dpop_bound_access_tokens": (True, False),
    "authorization_details_types": (),  # the type of the handler, in the context
    "backchannel_authentication_request_signing_alg": _REQUEST_ALGS,
    "backchannel_token_delivery_mode": ("poll",),
    "backchannel_user_code_parameter": (False,),
    "id_token_signed_response_alg": _SIGNING_ALGS,
    "userinfo_signed_response_alg": _SIGNING_ALGS,
    "backchannel_logout_session_required": (True, False),
    "introspection_signed_response_alg": _SIGNING_ALGS,
    "access_token_signed_response_alg": ("PS256", "ES256", "RS256"),
    "request_object_signing_alg": _REQUEST_ALGS,
    "require_signed_request_object": (True, False),
    "subject_layout": ("represents", "act"),
    "require_pushed_authorization_requests": (True,),
    "resource_server": (True, False),
    "subject_type": ("pairwise",),
    "token_endpoint_auth_signing_alg": _REQUEST_ALGS,
}
_AUTH_METHODS = (PRIVATE_KEY_JWT, AUTH_METHOD_NONE, TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH)
_AUTH_METHOD_ERROR = Message(
    "metadata.auth_method", {"private_key_jwt": PRIVATE_KEY_JWT, "auth_method_none": AUTH_METHOD_NONE}
)
_GRANT_TYPES_ERROR = Message(
    "metadata.grant_types",
    {
        "authorization_code": AUTHORIZATION_CODE,
        "refresh_token": REFRESH_TOKEN,
        "client_credentials": CLIENT_CREDENTIALS,
        "token_exchange": TOKEN_EXCHANGE,
        "ciba": CIBA,
    },
)
_CHOICE, _VALUE = "metadata_choice", "metadata_value"


def _check_auth_method(value: object) -> Message | None:
    return None if value in _AUTH_METHODS else _AUTH_METHOD_ERROR


def _check_grant_types(value: object) -> Message | None:
    return None if value in (*CODE_FLOW_GRANT_TYPES, *MACHINE_GRANT_TYPES) else _GRANT_TYPES_ERROR


_VALUE_CHECKS: Mapping[str, Callable[[object], Message | None]] = {
    "client_name": check_client_name,
    "token_endpoint_auth_method": _check_auth_method,
    "grant_types": _check_grant_types,
    "software_id": check_short_text,
    "software_version": check_short_text,
    "client_uri": check_page_uri,
    "policy_uri": check_page_uri,
    "tos_uri": check_page_uri,
    "contacts": check_contacts,
}


class ClientMetadata(BaseModel):
    """The metadata of one client: exact types, no unknown members, and every rule between members.

    RFC 7591 section 2, OpenID Connect Registration, RFC 8705, RFC 9449, CIBA, RFC 9701 and our own members. Validate
    with the context `practice`, which allows a chosen `client_id` and http on a loopback address, and `detail_type`,
    the only type of authorization details. Errors are reported in
    the order of these fields, after the unknown members and the closed choices. None is a member that was left out.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    client_id: str | None = None
    client_name: str
    token_endpoint_auth_method: str
    grant_types: list[str]
    response_types: list[str] | None = None
    redirect_uris: list[str] | None = None
    scope: str = ""
    software_id: str | None = None
    software_version: str | None = None
    client_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    jwks_uri: str | None = None
    contacts: list[str] | None = None
    token_endpoint_auth_signing_alg: str | None = None
    # CIBA Core 1.0 section 4
    backchannel_authentication_request_signing_alg: str | None = None
    backchannel_token_delivery_mode: str | None = None
    backchannel_user_code_parameter: bool | None = None
    # Sender-constrained tokens (RFC 9449 section 5.2, RFC 8705 section 3.4) and certificates (RFC 8705 section 2.1.2)
    dpop_bound_access_tokens: bool | None = None
    tls_client_certificate_bound_access_tokens: bool | None = None
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    # Resource servers (RFC 8707), token exchange (RFC 8693), introspection (RFC 9701). For access tokens no RFC
    # defines an alg member: the name is as the others, and Keycloak uses it.
    resource: str | None = None
    subject_layout: str | None = None
    access_token_signed_response_alg: str | None = None
    exchange_targets: list[str] | None = None
    resource_server: bool | None = None
    introspection_signed_response_alg: str | None = None
    # Request objects (RFC 9101), PAR (RFC 9126), RAR (RFC 9396)
    request_object_signing_alg: str | None = None
    require_signed_request_object: bool | None = None
    require_pushed_authorization_requests: bool | None = None
    authorization_details_types: list[str] | None = None
    # OpenID Connect: id_token, userinfo, logout
    id_token_signed_response_alg: str | None = None
    subject_type: str | None = None
    backchannel_logout_session_required: bool | None = None
    backchannel_logout_uri: str | None = None
    post_logout_redirect_uris: list[str] | None = None
    userinfo_signed_response_alg: str | None = None
    jwks: dict[str, Any] | None = None

    @field_validator(*_ALLOWED_VALUES, mode="before")
    @classmethod
    def _check_choice(cls, value: object, info: ValidationInfo) -> object:
        allowed = _ALLOWED_VALUES[info.field_name or ""] or ([(info.context or {}).get("detail_type")],)
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise _message_error(Message("metadata.choice", {"names": ", ".join(map(str, allowed))}), _CHOICE)
        return value

    @field_validator(*_VALUE_CHECKS, mode="before")
    @classmethod
    def _check_value(cls, value: object, info: ValidationInfo) -> object:
        return _accept(value, _VALUE_CHECKS[info.field_name or ""](value))

    @field_validator("client_id", mode="before")
    @classmethod
    def _check_client_id(cls, value: object, info: ValidationInfo) -> object:
        return _accept(value, check_client_id(value, practice=_is_practice(info)))

    @field_validator("jwks_uri", mode="before")
    @classmethod
    def _check_jwks_uri(cls, value: object, info: ValidationInfo) -> object:
        # As a redirect URI. The SSRF guard checks its address at every fetch.
        return _accept(value, check_uri(value, practice=_is_practice(info), member="jwks_uri"))

    @model_validator(mode="wrap")
    @classmethod
    def _check_rules(cls, document: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Check the fields, then the rules between them. Reports all errors at once, one for each member."""
        model: Self | None = None
        found: Sequence[ErrorDetails] = ()
        try:
            model = handler(document)
        except ValidationError as invalid:
            found = invalid.errors(include_url=False, include_input=False)
        errors = _merge_errors(found, document, practice=_is_practice(info))
        if model is not None and not errors:
            return model
        # Without an error text of ours, these are the errors of the types.
        errors = errors or {str(one["loc"][0]): _find_message(one) for one in found}
        lines = [
            InitErrorDetails(type=_message_error(message), loc=(name,), input=None) for name, message in errors.items()
        ]
        raise ValidationError.from_exception_data(cls.__name__, lines)


def _merge_errors(found: Sequence[ErrorDetails], document: Mapping[str, Any], *, practice: bool) -> dict[str, Message]:
    """Return one text for each member: the closed choices, then the rest. A rule replaces an earlier text.

    A value of a wrong type has no text of its own: a check or a rule has it.
    """
    choices = {str(one["loc"][0]): _find_message(one) for one in found if one["type"] == _CHOICE}
    values = {str(one["loc"][0]): _find_message(one) for one in found if one["type"] == _VALUE}
    missing = {str(one["loc"][0]) for one in found if one["type"] == "missing"}
    others = values | {name: message for name in missing if (message := _VALUE_CHECKS[name](None)) is not None}
    others |= find_rule_errors(document, practice=practice)
    return (
        {name: choices[name] for name in _ALLOWED_VALUES if name in choices}
        | {name: others[name] for name in ClientMetadata.model_fields if name in others}
        | find_jwks_errors(document)
    )


def _message_error(message: Message, kind: str = _VALUE) -> PydanticCustomError:
    return PydanticCustomError(kind, "{message}", {"message": message})


def _find_message(error: ErrorDetails) -> Message:
    """Return the message of an error. An error of a type has Pydantic's text."""
    ours = error.get("ctx", {}).get("message")
    return ours if isinstance(ours, Message) else Message("metadata.type", {"text": error["msg"]})


def _accept(value: object, error: Message | None) -> object:
    """Return the value if it has no error. Raises the error otherwise."""
    if error is not None:
        raise _message_error(error)
    return value


def _is_practice(info: ValidationInfo) -> bool:
    return bool(info.context and info.context["practice"])


MEMBERS = frozenset(ClientMetadata.model_fields)


def find_metadata_errors(metadata: Mapping[str, Any], *, practice: bool, detail_type: str) -> dict[str, Message]:
    """Find the errors, by member, each with a message that helps to correct it.

    `detail_type`: the only type of authorization details that a client may register.
    """
    unknown = dict.fromkeys(sorted(metadata.keys() - MEMBERS), Message("metadata.unknown_member"))
    known_members = {name: value for name, value in metadata.items() if name in MEMBERS}
    try:
        ClientMetadata.model_validate(known_members, context={"practice": practice, "detail_type": detail_type})
    except ValidationError as invalid:
        return unknown | {str(one["loc"][0]): _find_message(one) for one in invalid.errors(include_url=False)}
    return unknown


def add_defaults(metadata: Mapping[str, Any], detail_type: str) -> dict[str, Any]:
    """Add the defaults and drop the client id, which is the key of the row."""
    code_flow = metadata["grant_types"] in CODE_FLOW_GRANT_TYPES
    defaults: dict[str, Any] = {
        "response_types": ["code"] if code_flow else [],
        "scope": "",
        "subject_type": "pairwise",
        "resource_server": False,
    }
    if code_flow:
        # Clients rely on RS256, the default of OpenID Connect registration.
        defaults |= {
            "id_token_signed_response_alg": "RS256",
            "authorization_details_types": [detail_type],
            "require_pushed_authorization_requests": True,
        }
    if metadata["grant_types"] == [CIBA]:
        defaults |= {"id_token_signed_response_alg": "PS256", "authorization_details_types": [detail_type]}
    return {name: value for name, value in (defaults | dict(metadata)).items() if name != "client_id"}
