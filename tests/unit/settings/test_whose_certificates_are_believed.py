"""Settings of mutual TLS: a mistake in them stops the start, and believes nobody."""

import pytest
from pydantic import ValidationError

from machtiging.app import refuse_unsafe_settings
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings

SAFE = {"env": Environment.PRODUCTION, "issuer": "https://machtigen.nl", "broker_issuer": "https://inloggen.nl"}


def test_without_settings_nobody_is_believed():
    assert (Settings().trusted_proxies, Settings().client_ca_file, Settings().mtls_url) == ("", None, None)


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.5/33", "10.0.0.5/24", "*", "10.0.0.5;10.0.0.6"])
def test_a_typing_error_in_a_proxy_stops_the_start(text):
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=text)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "10.0.0.5, ::/0"])
def test_production_does_not_believe_everybody(text):
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(Settings(**SAFE, trusted_proxies=text))
    assert "MACHTIGING_TRUSTED_PROXIES" in refused.value.private
    refuse_unsafe_settings(Settings(**SAFE, trusted_proxies="10.0.0.5, 10.2.0.0/24"))


def test_production_wants_certificates_to_be_shown_over_https():
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(Settings(**SAFE, mtls_url="http://certificaat.machtigen.nl"))
    assert "MACHTIGING_MTLS_URL" in refused.value.private
    refuse_unsafe_settings(Settings(**SAFE, mtls_url="https://certificaat.machtigen.nl"))
