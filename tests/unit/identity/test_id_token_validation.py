"""Validation of id_token claims at login."""

from datetime import UTC, date, datetime, timedelta

import pytest

from machtiging.identity.errors import LoginFailed, explain_login_failure
from machtiging.identity.rules import CLOCK_SKEW, IdTokenExpectations, validate_id_token_claims
from machtiging.kernel.assurance import Assurance
from machtiging.message_catalogue import describe_refusal
from tests.builders.people import BROKER, CLIENT_ID
from tests.protocol.login.misbehaving_broker import ACR, make_login_claims

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
EXPECTED = IdTokenExpectations(BROKER, CLIENT_ID, "n-1", Assurance.SUBSTANTIAL, timedelta(minutes=15))


def login(**changes):
    return validate_id_token_claims(make_login_claims(AT, "n-1", **changes), EXPECTED, at=AT)


def test_valid_id_token_gives_bsn_assurance_and_profile():
    told = login(birthdate="1971-09-02", email="bram@post.example", acr=ACR + "high")
    assert told.bsn.reveal() == "999990020"
    assert told.assurance is Assurance.HIGH
    assert told.authenticated_at == AT
    assert told.profile.name == "Bram van der Linden"
    assert told.profile.birth_date == date(1971, 9, 2)


def test_employee_login_has_kvk_and_known_roles():
    told = login(bsn=None, kvk="90000001", roles=["balie", "keizer", 7])
    assert (told.bsn, told.kvk, told.roles) == (None, "90000001", frozenset({"balie"}))


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        (999990020, "999990020"),
        ("9999 90 020", "999990020"),
        ("999.990.020", "999990020"),
        ("9999\u00a090\u2013020", "999990020"),
        ("\uff19\uff19\uff19\uff19\uff19\uff10\uff10\uff12\uff10", "999990020"),
        ("10000008", "010000008"),
        (10000008, "010000008"),
    ],
)
def test_bsn_in_another_notation_is_normalised(written, digits):
    assert login(bsn=written).bsn.reveal() == digits


def test_kvk_number_in_another_notation_is_normalised():
    assert {login(kvk=written).kvk for written in (90000001, "9000 0001", "90.00.00.01")} == {"90000001"}


ODD = [None, "", " ", 7, 1.5, True, [], ["x"], {"a": 1}, "x" * 5000, "\x00\u202e", "\ud800"]
ODD += ["1950-00-00", "0000", "1950-02-31"]


@pytest.mark.parametrize("claim", ["name", "birthdate", "email", "locale", "given_name", "family_name", "zoneinfo"])
def test_login_with_malformed_profile_claim_is_accepted(claim):
    for value in ODD:
        assert login(**{claim: value}).bsn.reveal() == "999990020"


def test_login_with_null_roles_has_no_roles():
    assert login(roles=None).roles == frozenset()


@pytest.mark.parametrize("audience", [CLIENT_ID, [CLIENT_ID]])
def test_id_token_with_single_audience_is_accepted(audience):
    assert login(aud=audience).subject == "iemand"


def test_id_token_with_several_audiences_and_our_azp_is_accepted():
    assert login(aud=["ander", CLIENT_ID], azp=CLIENT_ID).subject == "iemand"


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("id_token_andere_uitgever", {"iss": "https://kwaad.example"}),
        ("id_token_andere_uitgever", {"iss": BROKER + "/"}),
        ("id_token_andere_uitgever", {"iss": None}),
        ("id_token_niet_voor_ons", {"aud": "ander"}),
        ("id_token_niet_voor_ons", {"aud": None}),
        ("id_token_niet_voor_ons", {"aud": []}),
        ("id_token_niet_voor_ons", {"aud": {"machtiging": 1}}),
        ("id_token_niet_voor_ons", {"aud": CLIENT_ID + " "}),
        ("id_token_niet_voor_ons", {"aud": [CLIENT_ID, "ander"]}),
        ("id_token_niet_voor_ons", {"azp": "ander"}),
        ("id_token_verlopen", {"exp": NOW - 61, "iat": NOW - 300}),
        ("id_token_tijden_kloppen_niet", {"exp": None}),
        ("id_token_tijden_kloppen_niet", {"exp": str(NOW + 300)}),
        ("id_token_tijden_kloppen_niet", {"exp": True}),
        ("id_token_tijden_kloppen_niet", {"exp": 1e300}),
        ("id_token_tijden_kloppen_niet", {"exp": float("nan")}),
        ("id_token_tijden_kloppen_niet", {"exp": NOW + 90_000}),
        ("id_token_tijden_kloppen_niet", {"iat": None}),
        ("id_token_tijden_kloppen_niet", {"iat": NOW + 61}),
        ("id_token_tijden_kloppen_niet", {"nbf": NOW + 61}),
        ("id_token_tijden_kloppen_niet", {"auth_time": None}),
        ("id_token_tijden_kloppen_niet", {"auth_time": NOW + 61}),
        ("inloggen_te_lang_geleden", {"auth_time": NOW - 15 * 60 - 61}),
        ("nonce_klopt_niet", {"nonce": "n-2"}),
        ("nonce_klopt_niet", {"nonce": None}),
        ("niveau_onbekend", {"acr": None}),
        ("niveau_onbekend", {"acr": "urn:hoog"}),
        ("niveau_onbekend", {"acr": ["http://eidas.europa.eu/LoA/high"]}),
        ("niveau_te_laag", {"acr": ACR + "low"}),
        ("id_token_inhoud_klopt_niet", {"sub": None}),
        ("id_token_inhoud_klopt_niet", {"sub": ""}),
        ("id_token_inhoud_klopt_niet", {"sub": "a" * 256}),
        ("id_token_inhoud_klopt_niet", {"sub": 7}),
        ("id_token_inhoud_klopt_niet", {"sub": "a\x00b"}),
        ("id_token_inhoud_klopt_niet", {"bsn": "999990018"}),
        ("id_token_inhoud_klopt_niet", {"bsn": ""}),
        ("id_token_inhoud_klopt_niet", {"bsn": " . "}),
        ("id_token_inhoud_klopt_niet", {"bsn": "geen"}),
        ("id_token_inhoud_klopt_niet", {"bsn": 999990018}),
        ("id_token_inhoud_klopt_niet", {"bsn": -999990020}),
        ("id_token_inhoud_klopt_niet", {"bsn": 10**400}),
        ("id_token_inhoud_klopt_niet", {"bsn": 0}),
        ("id_token_inhoud_klopt_niet", {"bsn": True}),
        ("id_token_inhoud_klopt_niet", {"bsn": 999990020.0}),
        ("id_token_inhoud_klopt_niet", {"bsn": ["999990020"]}),
        ("id_token_inhoud_klopt_niet", {"bsn": "0999990020"}),
        ("id_token_inhoud_klopt_niet", {"bsn": "9999900"}),
        ("id_token_inhoud_klopt_niet", {"bsn": "999990020" + " " * 40}),
        ("id_token_inhoud_klopt_niet", {"kvk": ""}),
        ("id_token_inhoud_klopt_niet", {"kvk": 9000000}),
        ("id_token_inhoud_klopt_niet", {"kvk": True}),
        ("id_token_inhoud_klopt_niet", {"kvk": "9000000"}),
        ("id_token_inhoud_klopt_niet", {"roles": "beheerder"}),
    ],
)
def test_invalid_id_token_is_rejected_with_its_reason(reason, changes):
    with pytest.raises(LoginFailed) as refusal:
        login(**changes)
    assert refusal.value.code == reason


def test_id_token_within_clock_skew_is_accepted():
    within = int(CLOCK_SKEW.total_seconds()) - 1
    assert login(exp=NOW - within, iat=NOW - 300).subject == "iemand"
    assert login(iat=NOW + within, auth_time=NOW + within).subject == "iemand"


def test_login_refusal_does_not_show_the_bsn():
    with pytest.raises(LoginFailed) as refusal:
        login(bsn="999990018")
    assert "999990018" not in str(refusal.value) + describe_refusal(refusal.value) + repr(refusal.value)


def test_every_login_refusal_has_a_plain_explanation():
    for reason in (
        "nonce_klopt_niet",
        "inloggen_gestopt",
        "niveau_te_laag",
        "broker_niet_bereikbaar",
        "andere_browser",
    ):
        told = explain_login_failure(LoginFailed(reason))
        assert told.title
        assert not {"token", "nonce", "broker"} & set(told.text.lower().split())
