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
from machtiging.oauth.openid.wishes import hinted

ASKED = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
_LONGEST = 8 * 1024
_log = structlog.get_logger("machtiging.oauth")


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A logout request after verification. `has_id_token_hint`: it had a valid ID token of ours.

    `back`: the redirect URI after logout, with `state`; None without a valid one.
    """

    client: Client | None
    back: str | None
    vouched: bool
    parameters: Mapping[str, str]


NOTHING = LogoutRequest(None, None, vouched=False, parameters={})


async def read(session: AsyncSession, issuer: Issuer, pairs: Sequence[tuple[str, str]]) -> LogoutRequest:
    """Load and verify a logout request. Unknown parameters are ignored (`logout_hint`, `ui_locales`)."""
    known = [(name, value) for name, value in pairs if name in ASKED and value]
    parameters = dict(known)
    if len(parameters) != len(known) or sum(len(value) for value in parameters.values()) > _LONGEST:
        return _unusable("parameter_dubbel_of_te_lang")
    claims: dict[str, Any] | None = None
    if "id_token_hint" in parameters:
        try:
            claims = hinted(parameters["id_token_hint"], parameters.get("client_id"), issuer)
        except OAuthRefusal as refusal:
            return _unusable(refusal.code)
    client_id = parameters.get("client_id") or (claims or {}).get("aud")
    client = await queries.client(session, client_id) if isinstance(client_id, str) and "\0" not in client_id else None
    if client is None:
        return NOTHING if client_id is None else _unusable("client_onbekend")
    return _judged(client, parameters, vouched=claims is not None)


def _judged(client: Client, parameters: Mapping[str, str], *, vouched: bool) -> LogoutRequest:
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        # Without a hint the page does not name the client: a client id could be tested (enumeration).
        return LogoutRequest(client, None, vouched, parameters) if vouched else NOTHING
    if uri not in client.logout_uris:  # exact string comparison
        return _unusable("retouradres_onbekend")
    return LogoutRequest(client, _with_state(uri, parameters.get("state")), vouched, parameters)


def _unusable(code: str) -> LogoutRequest:
    _log.warning("logout_request_unusable", code=code)
    return NOTHING


def _with_state(uri: str, state: str | None) -> str:
    if state is None:
        return uri
    parts = urlsplit(uri)
    kept = parse_qsl(parts.query, keep_blank_values=True)
    return urlunsplit(parts._replace(query=urlencode([*kept, ("state", state)])))
