"""Parsing client certificates, and checking their trust chain."""

import random
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from machtiging.crypto.certificates import (
    CertificateAuthorities,
    is_distinguished_name,
    is_ip_address,
    parse_certificate,
)
from machtiging.kernel.errors import Fault, InvalidInput
from tests.builders.keys import NOON, make_certificate

ROOT = make_certificate("CN=Wortel", authority=True)
AUTHORITIES = CertificateAuthorities([ROOT.certificate])


def test_certificate_has_x5t_and_key_thumbprint():
    one = make_certificate()
    assert parse_certificate(one.der).x5t == one.x5t
    assert len(parse_certificate(one.der).key_thumbprint()) == 43


def test_corrupted_certificate_is_rejected_or_untrusted():
    """Random corruption never raises an unexpected error."""
    good, chance = make_certificate(by=ROOT, sans=[("dns", "a.example"), ("ip", "192.0.2.1")]).der, random.Random(9449)
    refused = 0
    for _ in range(2000):
        spoiled = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        try:
            found = parse_certificate(bytes(spoiled[: chance.choice([len(spoiled), chance.randrange(len(spoiled))])]))
        except InvalidInput:
            refused += 1
            continue
        for kind in ("dns", "uri", "ip", "email"):
            found.subject_alt_names(kind)
        assert bytes(spoiled) == good or not AUTHORITIES.verify_chain(found, (), NOON)
    assert refused > 1000


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256K1())])
def test_certificate_with_weak_key_or_unsupported_curve_is_rejected(key):
    with pytest.raises(InvalidInput, match="certificaat_vormfout"):
        parse_certificate(make_certificate(key=key).der)


@pytest.mark.parametrize("moment", [timedelta(days=-2), timedelta(days=91)])
def test_certificate_outside_validity_period_is_untrusted(moment):
    certificate = parse_certificate(make_certificate(by=ROOT).der)
    assert AUTHORITIES.verify_chain(certificate, (), NOON)
    assert not AUTHORITIES.verify_chain(certificate, (), NOON + moment)
    assert not certificate.is_valid_at(NOON + moment)


def test_root_presented_in_chain_is_untrusted():
    root = make_certificate("CN=Nep", authority=True)
    assert not AUTHORITIES.verify_chain(
        parse_certificate(make_certificate(by=root).der), [parse_certificate(root.der)], NOON
    )


def test_missing_ca_setting_trusts_no_certificate_and_corrupt_ca_file_is_a_fault(tmp_path):
    assert not CertificateAuthorities.load(None)
    place = tmp_path / "authorities.pem"
    place.write_bytes(ROOT.pem)
    assert CertificateAuthorities.load(place)
    for content in (b"", ROOT.pem[:-40]):
        place.write_bytes(content)
        with pytest.raises(Fault, match="certificaten_onleesbaar"):
            CertificateAuthorities.load(place)
    with pytest.raises(Fault, match="certificaten_onleesbaar"):
        CertificateAuthorities.load(tmp_path / "nergens.pem")


@pytest.mark.parametrize("text", ["CN=a", "CN=a,O=b,C=NL", "OU=x+CN=y"])
def test_valid_subject_dn_is_accepted(text):
    assert is_distinguished_name(text)


@pytest.mark.parametrize("text", ["", "a", "CN", "=a", "CN=a,", None, 5, "XX=a", "CN=" + "a" * 2000])
def test_invalid_subject_dn_is_rejected(text):
    assert not is_distinguished_name(text)


@pytest.mark.parametrize(("text", "is_one"), [("192.0.2.1", True), ("2001:db8::1", True), ("2001:DB8::1", False)])
def test_ip_address_in_non_canonical_form_is_rejected(text, is_one):
    assert is_ip_address(text) is is_one
