"""Which networks and authorities the settings add for visits to clients' sites."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from machtiging.app import build_outbound
from machtiging.crypto.own_tokens import RETIRED_KEY_LIFETIME
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings


def test_without_settings_nothing_inside_may_be_visited() -> None:
    reach = build_outbound(Settings(env=Environment.PRODUCTION)).policy
    for text in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"):
        assert not reach.allows_address(ip_address(text))


def test_outside_production_this_machine_may_be_visited() -> None:
    reach = build_outbound(Settings()).policy
    assert reach.allows_address(ip_address("127.0.0.1"))
    assert not reach.allows_address(ip_address("10.0.0.1"))


def test_a_network_that_is_named_may_be_visited(monkeypatch) -> None:
    monkeypatch.setenv("MACHTIGING_ALLOWED_FETCH_NETWORKS", "10.1.0.0/16, fd00:1::/32")
    reach = build_outbound(Settings(env=Environment.PRODUCTION)).policy
    assert reach.allows_address(ip_address("10.1.9.9"))
    assert not reach.allows_address(ip_address("10.2.0.1"))


@pytest.mark.parametrize("text", ["10.1.0.1/16", "binnen", "10.0.0.0/8;192.168.0.0/16", "*"])
def test_a_typing_error_in_a_network_stops_the_start(text) -> None:
    with pytest.raises(ValidationError):
        Settings(allowed_fetch_networks=text)


def test_authorities_that_cannot_be_read_stop_the_start(tmp_path) -> None:
    with pytest.raises(Fault, match="autoriteiten_onleesbaar"):
        build_outbound(Settings(fetch_ca_file=tmp_path / "niets.pem"))


def test_no_token_can_outlive_the_publication_of_the_key_that_signed_it() -> None:
    with pytest.raises(ValidationError):
        Settings(access_token_seconds=int(RETIRED_KEY_LIFETIME.total_seconds()))
