"""How we check the certificates of others: one context for the process, since reading all authorities takes a while."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from machtiging.kernel.errors import Fault


@cache
def tls_context(authorities: Path | None = None) -> ssl.SSLContext:
    """The default context of this Python with the authorities of this machine: names are checked, TLS 1.2 or later.

    `authorities` is a PEM file with further ones. Raises Fault `autoriteiten_onleesbaar`.
    """
    context = ssl.create_default_context()
    if authorities is not None:
        try:
            context.load_verify_locations(cafile=authorities)
        except OSError as error:  # ssl.SSLError is one
            raise Fault("autoriteiten_onleesbaar", private=f"{authorities}: {type(error).__name__}") from error
    return context
