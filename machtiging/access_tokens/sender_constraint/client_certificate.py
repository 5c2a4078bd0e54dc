"""The TLS client certificate that a trusted proxy passes on in Client-Cert (RFC 9440).

The proxy has verified possession of the private key. From any other peer the header is refused, not ignored, so that a
proxy missing from the settings is noticed at once.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from functools import lru_cache

from machtiging.access_tokens.sender_constraint.errors import ProofRefused
from machtiging.access_tokens.sender_constraint.presented_credentials import PresentedCredentials
from machtiging.crypto.certificates import MAX_CERTIFICATE_BYTES, Certificate, parse_certificate
from machtiging.kernel.errors import InvalidInput

_MAX_CHAIN_LENGTH = 4


def read_client_certificate(presented: PresentedCredentials, at: datetime) -> Certificate | None:
    """Return the client certificate of the request; None without one.

    Raises ProofRefused `certificaat_niet_van_proxy`, `certificaat_vormfout` or `certificaat_niet_geldig`.
    """
    if not presented.certificates:
        return None
    if not presented.is_from_trusted_peer:
        raise ProofRefused("certificaat_niet_van_proxy")
    if len(presented.certificates) > 1:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert stands twice")
    found = _parse_certificate_field(presented.certificates[0])
    if not found.is_valid_at(at):
        raise ProofRefused("certificaat_niet_geldig")
    return found


def read_client_certificate_chain(presented: PresentedCredentials) -> list[Certificate]:
    """Return the intermediate certificates from Client-Cert-Chain.

    Call `read_client_certificate` first: it checks the proxy. Raises ProofRefused `certificaat_vormfout`.
    """
    fields = [one for header in presented.chain for one in header.split(",")]
    if len(fields) > _MAX_CHAIN_LENGTH:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert-Chain is too long")
    return [_parse_certificate_field(one) for one in fields]


@lru_cache(maxsize=256)
def _parse_certificate_field(field: str) -> Certificate:
    """Parse one Byte Sequence without parameters (RFC 8941 section 3.3.5). Cached by its text."""
    inner = field.strip(" ")
    if not (len(inner) > 2 and inner[0] == inner[-1] == ":") or len(inner) > 2 * MAX_CERTIFICATE_BYTES:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert is no byte sequence")
    try:
        return parse_certificate(base64.b64decode(inner[1:-1], validate=True))
    except (binascii.Error, ValueError) as error:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert is not base64") from error
    except InvalidInput as error:
        raise ProofRefused("certificaat_vormfout", private=error.private) from error
