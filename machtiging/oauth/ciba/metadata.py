"""Discovery members for CIBA (OpenID CIBA Core 1.0 section 4)."""

from __future__ import annotations

from typing import Any

from machtiging.oauth.issuer import Issuer
from machtiging.oauth.requests import request_object


def members(issuer: Issuer) -> dict[str, Any]:
    """Build the CIBA members of the discovery documents."""
    return {
        "backchannel_authentication_endpoint": issuer.endpoint("/bc-authorize"),
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_user_code_parameter_supported": False,
        "backchannel_authentication_request_signing_alg_values_supported": list(request_object.ALGORITHMS),
    }
