"""Client metadata about logout and userinfo (RP-Initiated and Back-Channel Logout). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_MAX_URIS = 10
BACKCHANNEL_LOGOUT_URI, BACKCHANNEL_LOGOUT_SESSION_REQUIRED, POST_LOGOUT_REDIRECT_URIS = (
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "post_logout_redirect_uris",
)
MEMBERS = frozenset(
    {
        BACKCHANNEL_LOGOUT_URI,
        BACKCHANNEL_LOGOUT_SESSION_REQUIRED,
        POST_LOGOUT_REDIRECT_URIS,
        "userinfo_signed_response_alg",
    }
)
# Returns the error in a URI, or None.
UriCheck = Callable[[object], str | None]


def find_openid_errors(metadata: Mapping[str, Any], check_uri: UriCheck) -> dict[str, str | None]:
    """Find the errors in these members, by member; None for a correct one."""
    if "redirect_uris" not in metadata:
        return dict.fromkeys(sorted(MEMBERS & metadata.keys()), "Alleen een app waar mensen mee inloggen heeft dit.")
    return {
        BACKCHANNEL_LOGOUT_URI: _check_backchannel_logout_uri(metadata, check_uri),
        POST_LOGOUT_REDIRECT_URIS: _check_post_logout_redirect_uris(
            metadata.get(POST_LOGOUT_REDIRECT_URIS, []), check_uri
        ),
    }


def _check_backchannel_logout_uri(metadata: Mapping[str, Any], check_uri: UriCheck) -> str | None:
    if BACKCHANNEL_LOGOUT_URI not in metadata:
        return None
    fault = check_uri(metadata[BACKCHANNEL_LOGOUT_URI])
    return None if fault is None else fault.replace("redirect_uri", BACKCHANNEL_LOGOUT_URI)


def _check_post_logout_redirect_uris(uris: object, check_uri: UriCheck) -> str | None:
    if not isinstance(uris, list) or len(uris) > _MAX_URIS or len(set(map(str, uris))) != len(uris):
        return f"Geef hoogstens {_MAX_URIS} verschillende {POST_LOGOUT_REDIRECT_URIS}."
    fault = next((fault for uri in uris if (fault := check_uri(uri)) is not None), None)
    return None if fault is None else fault.replace("redirect_uri", POST_LOGOUT_REDIRECT_URIS[:-1])
