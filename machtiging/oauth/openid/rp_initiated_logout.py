"""RP-initiated logout requests (OpenID Connect RP-Initiated Logout 1.0).

The app requests, the person decides. Unverified parameters are not used: then there is no redirect to the app, but the
person can still log out. A redirect goes only to a `post_logout_redirect_uri` of this client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid.authentication_request import verify_id_token_hint

LOGOUT_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
_MAX_PARAMETERS_LENGTH = 8 * 1024
_log = structlog.get_logger("machtiging.oauth")


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A logout request after verification. `has_id_token_hint`: it had a valid ID token of ours.

    `back`: the redirect URI after logout, with `state`; None without a valid one.
    """

    client: Client | None
    back: str | None
    has_id_token_hint: bool
    parameters: Mapping[str, str]


EMPTY_LOGOUT_REQUEST = LogoutRequest(None, None, has_id_token_hint=False, parameters={})


async def load_logout_request(session: AsyncSession, issuer: Issuer, pairs: Sequence[tuple[str, str]]) -> LogoutRequest:
    """Load and verify a logout request. Unknown parameters are ignored (`logout_hint`, `ui_locales`)."""
    logout_parameters = [(name, value) for name, value in pairs if name in LOGOUT_PARAMETERS and value]
    parameters = dict(logout_parameters)
    if (
        len(parameters) != len(logout_parameters)
        or sum(len(value) for value in parameters.values()) > _MAX_PARAMETERS_LENGTH
    ):
        return _ignore_logout_request("parameter_dubbel_of_te_lang")
    claims: dict[str, Any] | None = None
    if "id_token_hint" in parameters:
        try:
            claims = verify_id_token_hint(parameters["id_token_hint"], parameters.get("client_id"), issuer)
        except OAuthRefusal as refusal:
            return _ignore_logout_request(refusal.code)
    client_id = parameters.get("client_id") or (claims or {}).get("aud")
    client = (
        await queries.find_active_client(session, client_id)
        if isinstance(client_id, str) and "\0" not in client_id
        else None
    )
    if client is None:
        return EMPTY_LOGOUT_REQUEST if client_id is None else _ignore_logout_request("client_onbekend")
    return _resolve_logout_request(client, parameters, has_id_token_hint=claims is not None)


def _resolve_logout_request(client: Client, parameters: Mapping[str, str], *, has_id_token_hint: bool) -> LogoutRequest:
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        # Without a hint the page does not name the client: a client id could be tested (enumeration).
        return LogoutRequest(client, None, has_id_token_hint, parameters) if has_id_token_hint else EMPTY_LOGOUT_REQUEST
    if uri not in client.post_logout_redirect_uris:  # exact string comparison
        return _ignore_logout_request("retouradres_onbekend")
    return LogoutRequest(client, _add_state(uri, parameters.get("state")), has_id_token_hint, parameters)


def _ignore_logout_request(reason: str) -> LogoutRequest:
    _log.warning("logout_request_unusable", code=reason)
    return EMPTY_LOGOUT_REQUEST


def _add_state(uri: str, state: str | None) -> str:
    if state is None:
        return uri
    parts = urlsplit(uri)
    query_pairs = parse_qsl(parts.query, keep_blank_values=True)
    return urlunsplit(parts._replace(query=urlencode([*query_pairs, ("state", state)])))
