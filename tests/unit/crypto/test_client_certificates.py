"""Parsing client certificates, and checking their trust chain."""

import random
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from machtiging.crypto.certificates import Authorities, is_address, is_name, read
from machtiging.kernel.errors import Fault, InvalidInput
from tests.builders.proof import NOON, a_certificate

ROOT = a_certificate("CN=Wortel", authority=True)
AUTHORITIES = Authorities([ROOT.certificate])


def test_certificate_has_x5t_and_key_thumbprint():
    one = a_certificate()
    assert read(one.der).x5t == one.x5t
    assert len(read(one.der).key_thumbprint()) == 43


def test_corrupted_certificate_is_rejected_or_untrusted():
    """Random corruption never raises an unexpected error."""
    good, chance = a_certificate(by=ROOT, sans={"dns": "a.example", "ip": "192.0.2.1"}).der, random.Random(9449)
    refused = 0
    for _ in range(2000):
        spoiled = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        try:
            found = read(bytes(spoiled[: chance.choice([len(spoiled), chance.randrange(len(spoiled))])]))
        except InvalidInput:
            refused += 1
            continue
        for kind in ("dns", "uri", "ip", "email"):
            found.names(kind)
        assert bytes(spoiled) == good or not AUTHORITIES.vouch_for(found, (), NOON)
    assert refused > 1000


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256K1())])
def test_certificate_with_weak_key_or_unsupported_curve_is_rejected(key):
    with pytest.raises(InvalidInput, match="certificaat_vormfout"):
        read(a_certificate(key=key).der)


@pytest.mark.parametrize("moment", [timedelta(days=-2), timedelta(days=91)])
def test_certificate_outside_validity_period_is_untrusted(moment):
    certificate = read(a_certificate(by=ROOT).der)
    assert AUTHORITIES.vouch_for(certificate, (), NOON)
    assert not AUTHORITIES.vouch_for(certificate, (), NOON + moment)
    assert not certificate.in_time(NOON + moment)


def test_root_presented_in_chain_is_untrusted():
    root = a_certificate("CN=Nep", authority=True)
    assert not AUTHORITIES.vouch_for(read(a_certificate(by=root).der), [read(root.der)], NOON)


def test_missing_ca_setting_trusts_no_certificate_and_corrupt_ca_file_is_a_fault(tmp_path):
    assert not Authorities.load(None)
    place = tmp_path / "authorities.pem"
    place.write_bytes(ROOT.pem)
    assert Authorities.load(place)
    for content in (b"", ROOT.pem[:-40]):
        place.write_bytes(content)
        with pytest.raises(Fault, match="certificaten_onleesbaar"):
            Authorities.load(place)
    with pytest.raises(Fault, match="certificaten_onleesbaar"):
        Authorities.load(tmp_path / "nergens.pem")


@pytest.mark.parametrize("text", ["CN=a", "CN=a,O=b,C=NL", "OU=x+CN=y"])
def test_valid_subject_dn_is_accepted(text):
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "a", "CN", "=a", "CN=a,", None, 5, "XX=a", "CN=" + "a" * 2000])
def test_invalid_subject_dn_is_rejected(text):
    assert not is_name(text)


@pytest.mark.parametrize(("text", "is_one"), [("192.0.2.1", True), ("2001:db8::1", True), ("2001:DB8::1", False)])
def test_ip_address_in_non_canonical_form_is_rejected(text, is_one):
    assert is_address(text) is is_one
