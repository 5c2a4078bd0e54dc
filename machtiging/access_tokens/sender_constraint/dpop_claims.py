"""Checks of a DPoP proof's `htu` and `iat` (RFC 9449 section 4.3), with some clock skew. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote_to_bytes, urlsplit

# FAPI 2.0 section 5.3.2.1: accept 10 seconds in the future, refuse 60.
PROOF_LIFETIME = timedelta(seconds=60)
PROOF_CLOCK_SKEW = timedelta(seconds=10)
_MAX_URL_LENGTH = 2048
_PRINTABLE = re.compile(r"[!-~]+")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def htu_matches_request(htu: object, issuer: str, path: str) -> bool:
    """Return True if `htu` is the requested URL. Query, fragment and spelling do not count.

    The requested URL is the issuer's origin and the routed path, which is decoded; `htu` is decoded in the same way.
    Scheme and host are case-insensitive, and the default port may be left out (RFC 3986 section 6.2).
    """
    if not isinstance(htu, str) or len(htu) > _MAX_URL_LENGTH or _PRINTABLE.fullmatch(htu) is None:
        return False
    expected, claimed = _split_url(issuer), _split_url(htu)
    if expected is None or claimed is None or claimed[:3] != expected[:3]:
        return False
    return unquote_to_bytes(claimed[3] or "/") == unquote_to_bytes(expected[3]) + path.encode("utf-8", "surrogatepass")


def _split_url(url: str) -> tuple[str, str, int, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or parts.scheme not in _DEFAULT_PORTS:
        return None
    return parts.scheme, (parts.hostname or "").lower(), port or _DEFAULT_PORTS[parts.scheme], parts.path


def is_iat_within_window(iat: object, now: float) -> bool:
    """Return True for an `iat` of at most 60 seconds ago and 10 seconds ahead.

    `iat` is a NumericDate: a number, not a bool.
    """
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        return False
    # No conversion: NaN and infinity compare false, and an int of any size cannot overflow.
    return now - PROOF_LIFETIME.total_seconds() <= iat <= now + PROOF_CLOCK_SKEW.total_seconds()
