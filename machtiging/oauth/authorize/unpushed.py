"""Error responses for authorization requests without PAR, at a registered redirect URI.

Without them a developer sees an HTML page where the library expects an error (RFC 6749 4.1.2.1). Nothing of the request
is carried out, and no login is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from machtiging.oauth import queries
from machtiging.oauth.authorize.decide import Redirect, redirect_back
from machtiging.oauth.authorize.push import PREFIX
from machtiging.oauth.errors import Wire
from machtiging.oauth.protocol.bridge import is_readable
from machtiging.oauth.protocol.server import Exchange

_PUSH_IT = "Push the request to the pushed_authorization_request_endpoint first (PAR, RFC 9126)"
_PLAIN = f"This server takes pushed requests only. {_PUSH_IT}, and send client_id and request_uri here."
_TWICE = f"A parameter stands twice. {_PUSH_IT}, and send each parameter once."
_UNREADABLE = f"A parameter cannot be read. {_PUSH_IT}."
_OVER = f"The request_uri is unknown, expired or was used before. {_PUSH_IT}: each request_uri is good once."
_FOREIGN = f"Only a request_uri that this server gave out is taken. {_PUSH_IT}."


async def answer_unpushed(exchange: Exchange, pairs: Sequence[tuple[str, str]]) -> Redirect | None:
    """Build the error response for an active client and one of its redirect URIs.

    None for all other requests. `state` is returned when it was sent once (RFC 6749 4.1.2.1), `iss` always (RFC 9207).
    """
    client_id, redirect_uri, state = (_single(pairs, name) for name in ("client_id", "redirect_uri", "state"))
    if client_id is None or redirect_uri is None or not (is_readable(client_id) and is_readable(redirect_uri)):
        return None
    client = await queries.client(exchange.session, client_id)
    if client is None or not client.check_redirect_uri(redirect_uri):
        return None
    error, description = _fault(pairs)
    told = {"error": error.value, "error_description": description}
    return redirect_back(exchange.issuer, redirect_uri, state if is_readable(state or "") else None, told)


def _fault(pairs: Sequence[tuple[str, str]]) -> tuple[Wire, str]:
    counted = Counter(name for name, _ in pairs)
    if any(count > 1 for count in counted.values()):
        return Wire.INVALID_REQUEST, _TWICE
    if not all(is_readable(name) and is_readable(value) for name, value in pairs):
        return Wire.INVALID_REQUEST, _UNREADABLE
    request_uri = _single(pairs, "request_uri")
    if request_uri is None:
        return Wire.INVALID_REQUEST, _PLAIN
    return Wire.INVALID_REQUEST_URI, _OVER if request_uri.startswith(PREFIX) else _FOREIGN


def _single(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    """Return the value of a parameter that occurs once.

    None when it is absent, empty or repeated.
    """
    values = [value for other, value in pairs if other == name]
    return values[0] if len(values) == 1 and values[0] else None
