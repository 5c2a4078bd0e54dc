"""Client metadata about logout and userinfo (RP-Initiated and Back-Channel Logout). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_MOST_URIS = 10
BACK, BACK_NEEDS_SID, AFTER = (
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "post_logout_redirect_uris",
)
KNOWN = frozenset({BACK, BACK_NEEDS_SID, AFTER, "userinfo_signed_response_alg"})
# Returns the error in a URI, or None.
Judge = Callable[[object], str | None]


def faults_in(metadata: Mapping[str, Any], judge: Judge) -> dict[str, str | None]:
    """Find the errors in these members, by member; None for a correct one."""
    if "redirect_uris" not in metadata:
        return dict.fromkeys(sorted(KNOWN & metadata.keys()), "Alleen een app waar mensen mee inloggen heeft dit.")
    return {BACK: _fault_in_back(metadata, judge), AFTER: _fault_in_after(metadata.get(AFTER, []), judge)}


def _fault_in_back(metadata: Mapping[str, Any], judge: Judge) -> str | None:
    if BACK not in metadata:
        return None
    fault = judge(metadata[BACK])
    return None if fault is None else fault.replace("redirect_uri", BACK)


def _fault_in_after(uris: object, judge: Judge) -> str | None:
    if not isinstance(uris, list) or len(uris) > _MOST_URIS or len(set(map(str, uris))) != len(uris):
        return f"Geef hoogstens {_MOST_URIS} verschillende {AFTER}."
    fault = next((fault for uri in uris if (fault := judge(uri)) is not None), None)
    return None if fault is None else fault.replace("redirect_uri", AFTER[:-1])
