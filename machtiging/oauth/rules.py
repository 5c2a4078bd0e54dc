"""Pure protocol rules: lifetimes, scopes and PKCE."""

from __future__ import annotations

import re
from datetime import timedelta

REQUEST_URI_LIFETIME = timedelta(seconds=60)
# After the browser presents the request_uri, the person needs time to log in and to read.
CONSENT_DECISION_TIMEOUT = timedelta(minutes=15)
# The first token and two exchanges. Each is one more service, and the consent page names them all.
MAX_EXCHANGE_CHAIN = 3
AUTHORIZATION_CODE_LIFETIME = timedelta(seconds=60)
ID_TOKEN_LIFETIME = timedelta(minutes=5)
# Scope to list and end the consents of one's own box. It needs the person's consent like any other.
CONSENT_MANAGEMENT_SCOPE = "toestemmingen:beheren"
# Grant Management: a client queries or revokes its own grants. No consent is needed, and no box is accessible with it.
GRANT_MANAGEMENT_QUERY, GRANT_MANAGEMENT_REVOKE = "grant_management_query", "grant_management_revoke"
GRANT_MANAGEMENT_SCOPES = frozenset({GRANT_MANAGEMENT_QUERY, GRANT_MANAGEMENT_REVOKE})
SCOPES_BY_GRANT_TYPE = {
    "authorization_code": ("openid", CONSENT_MANAGEMENT_SCOPE),
    "client_credentials": ("aanleveringen:schrijven", "registergebeurtenissen:schrijven", "verificaties:vragen"),
    # No openid scope in an exchange: the person did not log in there, and released her identity to the first app only.
    "urn:ietf:params:oauth:grant-type:token-exchange": (),
    "urn:openid:params:grant-type:ciba": ("openid",),
}
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def is_s256_challenge(challenge: str | None, method: str | None) -> bool:
    """Check that PKCE is used with S256 and a valid challenge (RFC 7636 4.2, RFC 9700 2.1.1).

    The method must be sent, because its default is `plain`.
    """
    return method == "S256" and challenge is not None and _S256_CHALLENGE.fullmatch(challenge) is not None
