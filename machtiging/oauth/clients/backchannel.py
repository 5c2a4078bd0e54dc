"""Metadata of CIBA clients (OpenID CIBA Core 1.0 section 4), in poll mode. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.oauth.client import BACKCHANNEL_SIGNING, CIBA

_MEMBERS = (BACKCHANNEL_SIGNING, "backchannel_token_delivery_mode", "backchannel_user_code_parameter")


def faults_in(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Find the errors in the CIBA members, by member. `clients.metadata` checks their values."""
    if metadata.get("grant_types") == [CIBA]:
        said = metadata.get("backchannel_token_delivery_mode") is not None
        return {} if said else {"backchannel_token_delivery_mode": f"Met {CIBA} hoort hier: poll."}
    return {name: f"Dit gegeven is alleen voor {CIBA}." for name in _MEMBERS if name in metadata}
