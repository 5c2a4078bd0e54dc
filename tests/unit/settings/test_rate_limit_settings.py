"""Rate limit settings: no limit can be switched off, invalid values are rejected."""

import pytest
from pydantic import ValidationError

from machtiging.app import refuse_unsafe_settings
from machtiging.cli.doctor_checks.installation import FindingStatus
from machtiging.cli.doctor_checks.rate_limits import check_rate_limits
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings
from tests.builders.settings import OPERATOR_CONTENT

ADDRESSES = {"issuer": "https://machtigen.nl", "broker_issuer": "https://inloggen.nl"}
SAFE = {"env": Environment.PRODUCTION, **ADDRESSES, **OPERATOR_CONTENT}
LIMITS = [f"{kind}_requests_{of}" for kind in ("token", "person", "address") for of in ("in_flight", "per_minute")]


@pytest.mark.parametrize("name", [*LIMITS, "processes"])
@pytest.mark.parametrize("value", ["0", "-1", "", "uit", "none", "1.5", "inf", "1e99", "999999999"])
def test_rate_limit_that_is_no_limit_is_rejected(monkeypatch, name, value):
    monkeypatch.setenv(f"MACHTIGING_{name.upper()}", value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize(
    "text", ["proxy.example", "10.0.0.5/33", "10.0.0.5/24", "*", "10.0.0.5;10.0.0.6", "fd00::/129"]
)
def test_invalid_forwarding_proxy_is_rejected(text):
    with pytest.raises(ValidationError):
        Settings(forwarding_proxies=text)


@pytest.mark.parametrize("header", ["x-real-ip", "", "X-Forwarded-For, Forwarded"])
def test_unknown_forwarded_header_is_rejected(header):
    with pytest.raises(ValidationError):
        Settings(forwarded_header=header)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "10.0.0.5, ::/0"])
def test_forwarding_proxies_of_all_networks_are_rejected_in_production(text):
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(Settings(**SAFE, forwarding_proxies=text))
    assert "MACHTIGING_FORWARDING_PROXIES" in refused.value.private
    refuse_unsafe_settings(Settings(**SAFE, forwarding_proxies="127.0.0.1, ::1, 10.2.0.0/24, fd00:1::/64"))


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, FindingStatus.OK),
        ({"host": "::1"}, FindingStatus.OK),
        ({"host": "0.0.0.0"}, FindingStatus.ATTENTION),
        ({"host": "::"}, FindingStatus.ATTENTION),
        ({"host": "10.1.2.3"}, FindingStatus.ATTENTION),
        (SAFE, FindingStatus.ATTENTION),
        ({**SAFE, "forwarding_proxies": "127.0.0.1"}, FindingStatus.OK),
        ({**SAFE, "trusted_proxies": "10.0.0.5"}, FindingStatus.OK),
    ],
)
def test_doctor_reports_proxy_missing_in_settings(settings, verdict):
    (found,) = check_rate_limits(Settings(**settings))
    assert found.status is verdict
    assert ("MACHTIGING_FORWARDING_PROXIES" in found.remedy) is (verdict is FindingStatus.ATTENTION)


@pytest.mark.parametrize("kind", ["token", "person", "address"])
def test_doctor_reports_ineffective_rate_limit(kind):
    _, found = check_rate_limits(Settings(**{f"{kind}_requests_per_minute": 10_000_000}))
    assert found.status is FindingStatus.ATTENTION
    assert kind.upper() in found.detail
