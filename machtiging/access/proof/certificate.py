"""The certificate of a TLS client, as the proxy in front of us passes it on in Client-Cert (RFC 9440).

That its sender holds the private key, the proxy has seen. Who is no proxy of ours can say anything, so from anybody
else the header is refused rather than ignored: a proxy that is missing in the settings must be found out at once.
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
    """The certificate of the client; None when it showed none.

    Raises ProofRefused `certificaat_niet_van_proxy`, `certificaat_vormfout`, `certificaat_niet_geldig`.
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
    """The certificates between it and its authority, as the proxy passes them on in Client-Cert-Chain. Call it second.

    Raises ProofRefused `certificaat_vormfout`.
    """
    fields = [one for header in shown.chain for one in header.split(",")]
    if len(fields) > _LONGEST_CHAIN:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert-Chain is too long")
    return [_read(one) for one in fields]


@lru_cache(maxsize=256)
def _read(field: str) -> Certificate:
    """One Byte Sequence (RFC 8941 section 3.3.5), without parameters. The same field is the same certificate."""
    inner = field.strip(" ")
    if not (len(inner) > 2 and inner[0] == inner[-1] == ":") or len(inner) > 2 * LARGEST:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert is no byte sequence")
    try:
        return read(base64.b64decode(inner[1:-1], validate=True))
    except (binascii.Error, ValueError) as error:
        raise ProofRefused("certificaat_vormfout", private="Client-Cert is not base64") from error
    except InvalidInput as error:
        raise ProofRefused("certificaat_vormfout", private=error.private) from error
