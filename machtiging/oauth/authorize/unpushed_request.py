"""Error responses for authorization requests without PAR, at a registered redirect URI.

Without them a developer sees an HTML page where the library expects an error (RFC 6749 4.1.2.1). Nothing of the request
is carried out, and no login is needed. An unregistered redirect URI gets a page instead (open redirect, RFC 9700 4.11).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from machtiging.message_catalogue import ENGLISH, get_sentence
from machtiging.oauth import queries
from machtiging.oauth.authorize.decision import Redirect, build_authorization_response
from machtiging.oauth.authorize.pushed_requests import REQUEST_URI_PREFIX
from machtiging.oauth.errors import OAuthErrorCode
from machtiging.oauth.protocol.requests import is_printable_value
from machtiging.oauth.protocol.server import RequestContext


async def build_unpushed_error(context: RequestContext, pairs: Sequence[tuple[str, str]]) -> Redirect | None:
    """Build the error response for an active client and one of its redirect URIs.

    None for all other requests. `state` is returned when it was sent once (RFC 6749 4.1.2.1), `iss` always (RFC 9207).
    """
    client_id, redirect_uri, state = (_read_single(pairs, name) for name in ("client_id", "redirect_uri", "state"))
    if (
        client_id is None
        or redirect_uri is None
        or not (is_printable_value(client_id) and is_printable_value(redirect_uri))
    ):
        return None
    client = await queries.find_active_client(context.session, client_id)
    if client is None or not client.check_redirect_uri(redirect_uri):
        return None
    error, key = _classify_error(pairs)
    parameters = {"error": error.value, "error_description": get_sentence(key, ENGLISH)}
    return build_authorization_response(
        context.issuer, redirect_uri, state if is_printable_value(state or "") else None, parameters
    )


def _classify_error(pairs: Sequence[tuple[str, str]]) -> tuple[OAuthErrorCode, str]:
    """Return the OAuth error and the key of its description."""
    counted = Counter(name for name, _ in pairs)
    if any(count > 1 for count in counted.values()):
        return OAuthErrorCode.INVALID_REQUEST, "oauth.unpushed.duplicate_parameter"
    if not all(is_printable_value(name) and is_printable_value(value) for name, value in pairs):
        return OAuthErrorCode.INVALID_REQUEST, "oauth.unpushed.unreadable_parameter"
    request_uri = _read_single(pairs, "request_uri")
    if request_uri is None:
        return OAuthErrorCode.INVALID_REQUEST, "oauth.unpushed"
    ours = request_uri.startswith(REQUEST_URI_PREFIX)
    key = "oauth.unpushed.unknown_request_uri" if ours else "oauth.unpushed.foreign_request_uri"
    return OAuthErrorCode.INVALID_REQUEST_URI, key


def _read_single(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    """Return the value of a parameter that occurs once.

    None when it is absent, empty or repeated.
    """
    values = [value for other, value in pairs if other == name]
    return values[0] if len(values) == 1 and values[0] else None
