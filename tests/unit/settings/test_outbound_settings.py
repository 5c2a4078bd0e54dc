"""Settings of outbound fetches: allowed networks and certificate authorities."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from machtiging.app import build_outbound
from machtiging.crypto.own_tokens import RETIRED_KEY_LIFETIME
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings


def test_ssrf_to_private_network_is_blocked_by_default() -> None:
    reach = build_outbound(Settings(env=Environment.PRODUCTION)).transport.policy
    for text in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"):
        assert not reach.allows_address(ip_address(text))


def test_loopback_fetch_outside_production_is_allowed() -> None:
    reach = build_outbound(Settings()).transport.policy
    assert reach.allows_address(ip_address("127.0.0.1"))
    assert not reach.allows_address(ip_address("10.0.0.1"))


def test_fetch_to_configured_network_is_allowed(monkeypatch) -> None:
    monkeypatch.setenv("MACHTIGING_ALLOWED_FETCH_NETWORKS", "10.1.0.0/16, fd00:1::/32")
    reach = build_outbound(Settings(env=Environment.PRODUCTION)).transport.policy
    assert reach.allows_address(ip_address("10.1.9.9"))
    assert not reach.allows_address(ip_address("10.2.0.1"))


@pytest.mark.parametrize("text", ["10.1.0.1/16", "binnen", "10.0.0.0/8;192.168.0.0/16", "*"])
def test_invalid_fetch_network_is_rejected(text) -> None:
    with pytest.raises(ValidationError):
        Settings(allowed_fetch_networks=text)


def test_unreadable_fetch_ca_file_is_a_fault(tmp_path) -> None:
    with pytest.raises(Fault, match="autoriteiten_onleesbaar"):
        build_outbound(Settings(fetch_ca_file=tmp_path / "niets.pem"))


def test_access_token_lifetime_over_key_publication_is_rejected() -> None:
    with pytest.raises(ValidationError):
        Settings(access_token_seconds=int(RETIRED_KEY_LIFETIME.total_seconds()))
