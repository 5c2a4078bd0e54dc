"""When a proof is about this request: the address, the method, the time. Pure (RFC 9449 section 4.3)."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote_to_bytes, urlsplit

# FAPI 2.0 5.3.2.1: ten seconds ahead is a slow clock, sixty is not.
PROOF_LIVES = timedelta(seconds=60)
CLOCKS_DIFFER = timedelta(seconds=10)
_LONGEST_URL = 2048
_PRINTABLE = re.compile(r"[!-~]+")
_PORTS = {"https": 443, "http": 80}


def same_place(htu: object, issuer: str, path: str) -> bool:
    """Whether `htu` names the address that was asked. Query and fragment do not count; spelling does not either.

    That address is the issuer's URL with the path as it was routed, which is decoded; `htu` is decoded the same way.
    Scheme and host have no case, the port of the scheme goes without saying (RFC 3986 section 6.2).
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
    """Whether a proof was made just now: a NumericDate at most a minute ago, and not in the future."""
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        return False
    # Compared as they are: what is no number or has no end fits nowhere, and a whole number may be of any size.
    return now - PROOF_LIVES.total_seconds() <= iat <= now + CLOCKS_DIFFER.total_seconds()
