"""Practice settings at a public address are rejected, with the setting to change."""

import pytest
from pydantic import ValidationError

from machtiging.app import refuse_unsafe_settings
from machtiging.cli.doctor_checks import installation
from machtiging.cli.doctor_checks.installation import FindingStatus
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings, is_loopback
from tests.builders.settings import OPERATOR_CONTENT

HERE = [
    "http://localhost:8000",
    "http://LOCALHOST:8000",
    "http://127.0.0.1:8000",
    "http://127.8.9.1",
    "http://[::1]:8000",
    "https://machtigen.localhost",
]
# Public addresses, and addresses that only look like loopback.
ELSEWHERE = [
    "https://machtigen.overheid.nl",
    "http://10.0.0.8:8000",
    "http://0.0.0.0:8000",
    "https://localhost.evil.nl",
    "https://127.0.0.1.evil.nl",
    "https://localhost@evil.nl",
    "https://localhost:8000@evil.nl",
    "https://evil.nl/localhost",
    "https://evil.nl#localhost",
    "https://notlocalhost",
    "https://machtigen.test.evil.nl",
    "https://[::2]",
    "https://[bad",
    "localhost:8000",
    "",
]


def in_production(**changes):
    good = {"issuer": "https://machtigen.nl", "broker_issuer": "https://inloggen.nl", **OPERATOR_CONTENT}
    return Settings(env=Environment.PRODUCTION, **{**good, **changes})


@pytest.mark.parametrize("env", [Environment.DEVELOPMENT, Environment.TEST])
@pytest.mark.parametrize("issuer", ELSEWHERE)
def test_public_issuer_outside_production_is_rejected(env, issuer):
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(Settings(env=env, issuer=issuer))
    assert "MACHTIGING_ENV=production" in refused.value.private
    assert "MACHTIGING_ISSUER" in refused.value.private


@pytest.mark.parametrize("env", [Environment.DEVELOPMENT, Environment.TEST])
@pytest.mark.parametrize("issuer", HERE)
def test_loopback_issuer_outside_production_is_accepted(env, issuer):
    settings = Settings(env=env, issuer=issuer)
    refuse_unsafe_settings(settings)
    assert installation.check_environment(settings).status is FindingStatus.ATTENTION


def test_issuer_under_dot_test_is_accepted_in_test_only():
    refuse_unsafe_settings(Settings(env=Environment.TEST, issuer="https://machtigen.test"))
    with pytest.raises(Fault, match="instellingen_onveilig"):
        refuse_unsafe_settings(Settings(env=Environment.DEVELOPMENT, issuer="https://machtigen.test"))


def test_public_issuer_without_environment_is_rejected(monkeypatch):
    monkeypatch.delenv("MACHTIGING_ENV", raising=False)
    with pytest.raises(Fault, match="instellingen_onveilig"):
        refuse_unsafe_settings(Settings(issuer="https://machtigen.overheid.nl", broker_issuer="https://inloggen.nl"))


@pytest.mark.parametrize("name", ["issuer", "broker_issuer"])
def test_issuer_without_https_in_production_is_rejected(name):
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(in_production(**{name: "http://machtigen.nl"}))
    assert f"MACHTIGING_{name.upper()}" in refused.value.private


@pytest.mark.parametrize("host", ["mail.overheid.nl", "10.0.0.9", "localhost.evil.nl", ""])
def test_remote_smtp_without_starttls_in_production_is_rejected(host):
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(in_production(smtp_host=host))
    assert "MACHTIGING_SMTP_STARTTLS=true" in refused.value.private
    refuse_unsafe_settings(in_production(smtp_host=host, smtp_starttls=True))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_smtp_without_starttls_in_production_is_accepted(host):
    settings = in_production(smtp_host=host)
    refuse_unsafe_settings(settings)
    assert installation.check_environment(settings).status is FindingStatus.OK


def test_doctor_reports_unsafe_settings():
    for unsafe in (Settings(issuer="https://machtigen.nl"), in_production(smtp_host="mail.nl")):
        found = installation.check_environment(unsafe)
        assert found.status is FindingStatus.WRONG
        assert "MACHTIGING_" in found.detail
    assert installation.check_environment(in_production()).status is FindingStatus.OK


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.nl", "", "localhost.nl", "1270.0.0.1"])
def test_public_address_is_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("name", OPERATOR_CONTENT)
def test_invented_help_for_people_in_production_is_rejected(name):
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(in_production(**{name: None}))
    assert f"MACHTIGING_{name.upper()}" in refused.value.private


@pytest.mark.parametrize("phone", ["bel ons", "080", "0800-1234<b>", "", "0800 1234\n", "1" * 40, "-0800"])
def test_help_phone_that_is_no_number_is_rejected(phone):
    with pytest.raises(ValidationError):
        Settings(help_phone=phone)


@pytest.mark.parametrize("phone", ["0800 - 1234", "14 030", "+31 88 000 00 00"])
def test_help_phone_with_spaces_and_country_is_accepted(phone):
    assert Settings(help_phone=phone).help_phone == phone


@pytest.mark.parametrize("address", ["niemand", "a@b@c", "a b@c.nl", "<a@b.nl>", "@", "a@b.nl\n"])
def test_contact_that_is_no_mail_address_is_rejected(address):
    for name in ("accessibility_email", "privacy_email"):
        with pytest.raises(ValidationError):
            Settings(**{name: address})
