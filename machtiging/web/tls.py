"""How we check the certificates of others: one context for the process, since reading all authorities takes a while."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def tls_context() -> ssl.SSLContext:
    """The default context of this Python with the authorities of this machine: names are checked, TLS 1.2 or later."""
    return ssl.create_default_context()
