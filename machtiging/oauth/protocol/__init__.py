"""The package around Authlib. Requests go in as plain parameters, and tokens never reach a log."""

import logging

# Authlib logs whole token responses at DEBUG. A root logger at DEBUG must not write them (CWE-532).
logging.getLogger("authlib").setLevel(logging.WARNING)
