"""TLS client context: one per process, because loading all certificate authorities is slow."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from machtiging.kernel.errors import Fault


@cache
def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return the default context: system authorities, hostname check, TLS 1.2 or later.

    `ca_file` is a PEM file with additional ones. Raises Fault `autoriteiten_onleesbaar`.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise Fault("autoriteiten_onleesbaar", private=f"{ca_file}: {type(error).__name__}") from error
    return context
