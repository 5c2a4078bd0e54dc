"""Settings of mutual TLS: trusted proxies, certificate authorities and the mTLS URL."""

import pytest
from pydantic import ValidationError

from machtiging.app import refuse_unsafe_settings
from machtiging.kernel.errors import Fault
from machtiging.settings import Environment, Settings
from tests.builders.settings import OPERATOR_CONTENT

ADDRESSES = {"issuer": "https://machtigen.nl", "broker_issuer": "https://inloggen.nl"}
SAFE = {"env": Environment.PRODUCTION, **ADDRESSES, **OPERATOR_CONTENT}


def test_mtls_without_settings_trusts_no_proxy_and_no_ca():
    assert (Settings().trusted_proxies, Settings().client_ca_file, Settings().mtls_url) == ("", None, None)


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.5/33", "10.0.0.5/24", "*", "10.0.0.5;10.0.0.6"])
def test_invalid_trusted_proxy_is_rejected(text):
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=text)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "10.0.0.5, ::/0"])
def test_trusted_proxies_of_all_networks_are_rejected_in_production(text):
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(Settings(**SAFE, trusted_proxies=text))
    assert "MACHTIGING_TRUSTED_PROXIES" in refused.value.private
    refuse_unsafe_settings(Settings(**SAFE, trusted_proxies="10.0.0.5, 10.2.0.0/24"))


def test_mtls_url_without_https_in_production_is_rejected():
    with pytest.raises(Fault, match="instellingen_onveilig") as refused:
        refuse_unsafe_settings(Settings(**SAFE, mtls_url="http://certificaat.machtigen.nl"))
    assert "MACHTIGING_MTLS_URL" in refused.value.private
    refuse_unsafe_settings(Settings(**SAFE, mtls_url="https://certificaat.machtigen.nl"))
