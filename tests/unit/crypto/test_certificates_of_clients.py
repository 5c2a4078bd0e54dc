"""Reading what somebody says is a certificate, and asking who vouches for it."""

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
from tests.builders.proof import NOON, a_certificate

ROOT = a_certificate("CN=Wortel", authority=True)
AUTHORITIES = CertificateAuthorities([ROOT.certificate])


def test_it_is_known_by_its_thumbprint_and_its_key():
    one = a_certificate()
    assert parse_certificate(one.der).x5t == one.x5t
    assert len(parse_certificate(one.der).key_thumbprint()) == 43


def test_bytes_that_were_changed_are_no_certificate_or_one_that_nobody_vouches_for():
    """Whatever is sent, there is an answer: never an error that nobody foresaw."""
    good, chance = a_certificate(by=ROOT, sans={"dns": "a.example", "ip": "192.0.2.1"}).der, random.Random(9449)
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
def test_a_key_that_is_weak_or_of_another_curve_is_refused(key):
    with pytest.raises(InvalidInput, match="certificaat_vormfout"):
        parse_certificate(a_certificate(key=key).der)


@pytest.mark.parametrize("moment", [timedelta(days=-2), timedelta(days=91)])
def test_nobody_vouches_before_or_after_its_time(moment):
    certificate = parse_certificate(a_certificate(by=ROOT).der)
    assert AUTHORITIES.verify_chain(certificate, (), NOON)
    assert not AUTHORITIES.verify_chain(certificate, (), NOON + moment)
    assert not certificate.is_valid_at(NOON + moment)


def test_what_comes_along_in_a_chain_is_no_authority():
    root = a_certificate("CN=Nep", authority=True)
    assert not AUTHORITIES.verify_chain(
        parse_certificate(a_certificate(by=root).der), [parse_certificate(root.der)], NOON
    )


def test_no_file_is_nobody_and_half_a_file_is_a_fault(tmp_path):
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
def test_names_that_can_be_compared(text):
    assert is_distinguished_name(text)


@pytest.mark.parametrize("text", ["", "a", "CN", "=a", "CN=a,", None, 5, "XX=a", "CN=" + "a" * 2000])
def test_names_that_cannot(text):
    assert not is_distinguished_name(text)


@pytest.mark.parametrize(("text", "is_one"), [("192.0.2.1", True), ("2001:db8::1", True), ("2001:DB8::1", False)])
def test_addresses_have_one_spelling(text, is_one):
    assert is_ip_address(text) is is_one
