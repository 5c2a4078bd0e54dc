"""The TLS client certificate that a trusted proxy passes on in Client-Cert (RFC 9440).

The proxy has verified possession of the private key. From any other peer the header is refused, not ignored, so that a
proxy missing from the settings is noticed at once.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from functools import lru_cache

from machtiging.access.proof.errors import ProofRefused
from machtiging.access.proof.shown import Shown
from machtiging.crypto.certificates import LARGEST, Certificate, read
from machtiging.kernel.errors import InvalidInput

_LONGEST_CHAIN = 4


def certificate_in(shown: Shown, at: datetime) -> Certificate | None:
    """Return the client certificate of the request; None without one.

    Raises ProofRefused `certificaat_niet_van_proxy`, `certificaat_vormfout` or `certificaat_niet_geldig`.
    """
    if not shown.certificates:
        return None
    if not shown.peer_is_trusted:
        raise ProofRefused("certificaat_niet_van_proxy")
    if len(shown.certificates) > 1:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert stands twice")
    found = _read(shown.certificates[0])
    if not found.in_time(at):
        raise ProofRefused("certificaat_niet_geldig")
    return found


def chain_in(shown: Shown) -> list[Certificate]:
    """Return the intermediate certificates from Client-Cert-Chain.

    Call `read_client_certificate` first: it checks the proxy. Raises ProofRefused `certificaat_vormfout`.
    """
    fields = [one for header in shown.chain for one in header.split(",")]
    if len(fields) > _LONGEST_CHAIN:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert-Chain is too long")
    return [_read(one) for one in fields]


@lru_cache(maxsize=256)
def _read(field: str) -> Certificate:
    """Parse one Byte Sequence without parameters (RFC 8941 section 3.3.5). Cached by its text."""
    inner = field.strip(" ")
    if not (len(inner) > 2 and inner[0] == inner[-1] == ":") or len(inner) > 2 * LARGEST:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert is no byte sequence")
    try:
        return read(base64.b64decode(inner[1:-1], validate=True))
    except (binascii.Error, ValueError) as error:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert is not base64") from error
    except InvalidInput as error:
        raise ProofRefused("certificaat_vormfout", private=error.private) from error
