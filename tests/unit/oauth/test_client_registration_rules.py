"""Validation of client metadata: each refusal names the invalid member."""

from __future__ import annotations

import pytest

from machtiging.oauth.client_jwks import key_validation
from machtiging.oauth.clients import metadata
from machtiging.oauth.register_client import generate_client_id
from tests.builders.client import make_agency_metadata, make_app_metadata, make_client_keys

PAIR = make_client_keys()
RSA = make_client_keys("PS256")


def faults(changes, *, practice=False, base=None):
    made = {**(base or make_app_metadata(PAIR)), **changes}
    made = {name: value for name, value in made.items() if value != "weg"}
    return metadata.find_metadata_errors(
        made, practice=practice, detail_type="berichtenbox"
    ) | key_validation.find_jwks_errors(made)


@pytest.mark.parametrize(
    "whole", [make_app_metadata(PAIR), make_app_metadata(RSA), make_app_metadata(None), make_agency_metadata(PAIR)]
)
def test_valid_client_metadata_is_accepted(whole) -> None:
    assert (
        metadata.find_metadata_errors(whole, practice=False, detail_type="berichtenbox")
        | key_validation.find_jwks_errors(whole)
        == {}
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("client_name", "weg"),
        ("client_name", ""),
        ("client_name", "x" * 81),
        ("client_name", "12345"),
        ("client_name", ["Leesapp"]),
        ("client_name", "Lees<app>"),
        ("client_id", "leesapp"),
        ("client_secret", "geheim"),
        ("jwks_uri", "https://app.voorbeeld.example/jwks"),
        ("logo_uri", "https://app.voorbeeld.example/logo"),
        ("token_endpoint_auth_method", "weg"),
        ("token_endpoint_auth_method", "client_secret_basic"),
        ("grant_types", "weg"),
        ("grant_types", []),
        ("grant_types", "authorization_code"),
        ("grant_types", ["authorization_code", "client_credentials"]),
        ("grant_types", ["refresh_token"]),
        ("grant_types", [["authorization_code"]]),
        ("response_types", ["token"]),
        ("response_types", ["code", "token"]),
        ("scope", "aanleveringen:schrijven"),
        ("scope", "openid  "),
        ("scope", ["openid"]),
        ("redirect_uris", "weg"),
        ("redirect_uris", []),
        ("redirect_uris", "https://app.voorbeeld.example/terug"),
        ("redirect_uris", ["https://a.voorbeeld.example/", "https://b.voorbeeld.example/"]),
        ("resource_server", 1),
        ("resource_server", "true"),
        ("subject_type", "public"),
        ("id_token_signed_response_alg", "none"),
        ("id_token_signed_response_alg", "HS256"),
        ("require_pushed_authorization_requests", False),
        ("authorization_details_types", ["betaling"]),
        ("client_uri", "javascript:alert(1)"),
        ("contacts", "ik@voorbeeld.example"),
    ],
)
def test_invalid_client_metadata_member_is_rejected(member, value) -> None:
    assert member in faults({member: value})


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.voorbeeld.example/terug",
        "http://localhost:9000/terug",
        "https://localhost/terug",
        "https://127.0.0.1/terug",
        "https://10.0.0.1/terug",
        "https://[::1]/terug",
        "https://2130706433/",
        "https://app.voorbeeld.example/terug#deel",
        "https://app.voorbeeld.example/terug#",
        "https://ik:geheim@app.voorbeeld.example/terug",
        "https://@app.voorbeeld.example/",
        "https://*.voorbeeld.example/terug",
        "https://app.voorbeeld.example/*",
        "https://app.voorbeeld.example/../terug",
        "https://app.voorbeeld.example/%2e%2E/terug",
        "https://app.voorbeeld.example/a%2Fb",
        "https://app.voorbeeld.example\\@kwaad.example/",
        "https://APP.voorbeeld.example/",
        "https://app.voorbeeld.example:99999/",
        "https://app.voorbeeld.example:/",
        "https://app.voorbeeld.example./",
        "https://аpp.voorbeeld.example/",
        "https:///terug",
        "https:app.voorbeeld.example",
        "//app.voorbeeld.example/terug",
        "/terug",
        "javascript:alert(1)",
        "data:text/html,x",
        "com.voorbeeld.app:/terug",
        "https://app.voorbeeld.example/te rug",
        "https://app.voorbeeld.example/terug\n",
        "https://app.voorbeeld.example/;x",
        "https://app.voorbeeld.example/terug?state=x",
        "https://app.voorbeeld.example/terug?iss",
        "https://voorbeeld/terug",
        "x" * 600,
        7,
        None,
    ],
)
def test_row_11_ambiguous_or_insecure_redirect_uri_is_rejected(uri) -> None:
    assert "redirect_uris" in faults({"redirect_uris": [uri]})


@pytest.mark.parametrize(
    "uri",
    ["https://app.voorbeeld.example/", "https://app.voorbeeld.example:8443/a?b=c", "https://a-b.voorbeeld.example/"],
)
def test_https_redirect_uri_is_accepted(uri) -> None:
    assert faults({"redirect_uris": [uri]}) == {}


@pytest.mark.parametrize("uri", ["http://localhost:9000/terug", "http://127.0.0.1/terug", "https://localhost/terug"])
def test_loopback_redirect_uri_is_accepted_in_practice_only(uri) -> None:
    assert faults({"redirect_uris": [uri]}, practice=True) == {}
    assert "redirect_uris" in faults({"redirect_uris": ["http://10.0.0.1/"]}, practice=True)


def test_chosen_client_id_is_accepted_in_practice_only() -> None:
    assert faults({"client_id": "leesapp"}, practice=True) == {}
    for wrong in ("", "a", "a b", "a/b", "é", "x" * 65, "\0", 7):
        assert "client_id" in faults({"client_id": wrong}, practice=True)


def test_row_36_client_name_with_homoglyphs_is_rejected() -> None:
    for fine in ("Leesapp", "Café Überzorg", "Post & Co (2)", "Gemeente 's-Hertogenbosch", "Škoda-lezer"):
        assert metadata.check_client_name(fine) is None, fine
    for fishy in ("Lеesapp", "Ｌeesapp", "Lees\u200bapp", "Lees\u202eapp", "ΛΕΕΣ", "Leesɑpp", "DıgiD", "Lees\u00adapp"):
        assert metadata.check_client_name(fishy) is not None, fishy


def test_agency_client_without_key_or_with_redirect_uri_is_rejected() -> None:
    agency = make_agency_metadata(PAIR)
    assert "redirect_uris" in faults({"redirect_uris": ["https://a.voorbeeld.example/"]}, base=agency)
    assert "token_endpoint_auth_method" in faults({"token_endpoint_auth_method": "none", "jwks": "weg"}, base=agency)
    assert "response_types" in faults({"response_types": ["code"]}, base=agency)


def test_weak_private_or_duplicate_client_jwks_is_rejected() -> None:
    public = PAIR.jwks["keys"][0]
    rsa = RSA.jwks["keys"][0]
    wrong = [
        None,
        {},
        [],
        {"keys": []},
        {"keys": {}},
        {"keys": [public], "meer": 1},
        {"keys": [public, public]},
        {"keys": [public] * 11},
        {"keys": [None]},
        {"keys": [{**PAIR.private.as_dict(private=True)}]},
        {"keys": [{**RSA.private.as_dict(private=True)}]},
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        {"keys": [{**public, "crv": "P-521"}]},
        {"keys": [{**public, "x": "AAAA"}]},
        {"keys": [{**public, "use": "enc"}]},
        {"keys": [{**public, "alg": "ES512"}]},
        {"keys": [{**public, "kid": 7}]},
        {"keys": [{**public, "kid": "\0"}]},
        {"keys": [{**public, "x5u": "https://kwaad.example"}]},
        {"keys": [{**rsa, "n": rsa["n"][:100]}]},
        {"keys": [{**rsa, "alg": "RS256"}]},
    ]
    for jwks in wrong:
        assert "jwks" in key_validation.find_jwks_errors({**make_app_metadata(PAIR), "jwks": jwks}), str(jwks)[:80]
    assert "jwks" in key_validation.find_jwks_errors(make_app_metadata(None, jwks=PAIR.jwks))


def test_client_metadata_defaults_are_returned() -> None:
    made = metadata.add_defaults(make_app_metadata(PAIR, client_id="leesapp"), "berichtenbox")
    assert made["id_token_signed_response_alg"] == "RS256"
    assert made["subject_type"] == "pairwise"
    assert made["response_types"] == ["code"]
    assert made["resource_server"] is False
    assert "client_id" not in made


def test_generated_client_ids_are_unique_and_shell_safe() -> None:
    made = {generate_client_id() for _ in range(200)}
    assert len(made) == 200
    assert not [one for one in made if "-" in one or len(one) < 22]
