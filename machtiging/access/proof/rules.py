"""Checks of a DPoP proof's `htu` and `iat` (RFC 9449 section 4.3). Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote_to_bytes, urlsplit

# FAPI 2.0 section 5.3.2.1: accept 10 seconds in the future, refuse 60.
PROOF_LIVES = timedelta(seconds=60)
CLOCKS_DIFFER = timedelta(seconds=10)
_LONGEST_URL = 2048
_PRINTABLE = re.compile(r"[!-~]+")
_PORTS = {"https": 443, "http": 80}


def same_place(htu: object, issuer: str, path: str) -> bool:
    """Return True if `htu` is the requested URL. Query, fragment and spelling do not count.

    The requested URL is the issuer's origin and the routed path, which is decoded; `htu` is decoded in the same way.
    Scheme and host are case-insensitive, and the default port may be left out (RFC 3986 section 6.2).
    """
    if not isinstance(htu, str) or len(htu) > _LONGEST_URL or _PRINTABLE.fullmatch(htu) is None:
        return False
    asked, claimed = _origin(issuer), _origin(htu)
    if asked is None or claimed is None or claimed[:3] != asked[:3]:
        return False
    return unquote_to_bytes(claimed[3] or "/") == unquote_to_bytes(asked[3]) + path.encode("utf-8", "surrogatepass")


def _origin(url: str) -> tuple[str, str, int, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or parts.scheme not in _PORTS:
        return None
    return parts.scheme, (parts.hostname or "").lower(), port or _PORTS[parts.scheme], parts.path


def age_fits(iat: object, now: float) -> bool:
    """Return True for an `iat` of at most 60 seconds ago and 10 seconds ahead.

    `iat` is a NumericDate: a number, not a bool.
    """
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        return False
    # No conversion: NaN and infinity compare false, and an int of any size cannot overflow.
    return now - PROOF_LIVES.total_seconds() <= iat <= now + CLOCKS_DIFFER.total_seconds()
