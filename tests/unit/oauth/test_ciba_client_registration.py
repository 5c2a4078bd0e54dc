"""Registration of CIBA clients: poll mode only, with a key, without a redirect URI."""

from __future__ import annotations

import pytest

from machtiging.oauth.client import CIBA, build_client
from machtiging.oauth.client_jwks import key_validation
from machtiging.oauth.clients import metadata
from tests.builders.ciba import make_ciba_desk_metadata
from tests.builders.client import REDIRECT, make_app_metadata, make_client_keys

PAIR = make_client_keys()


def faults(**changes) -> set[str]:
    wanted = make_ciba_desk_metadata(PAIR, **changes)
    return set(
        metadata.find_metadata_errors(wanted, practice=False, detail_type="berichtenbox")
        | key_validation.find_jwks_errors(wanted)
    )


def test_valid_ciba_client_is_accepted_with_defaults() -> None:
    assert faults() == set()
    kept = metadata.add_defaults(make_ciba_desk_metadata(PAIR), "berichtenbox")
    assert (kept["response_types"], kept["id_token_signed_response_alg"]) == ([], "PS256")
    client = build_client("balie", kept, None)
    assert (client.grant_type, client.sector_identifier, client.require_signed_request_object) == (CIBA, "balie", False)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("backchannel_token_delivery_mode", None),
        ("backchannel_token_delivery_mode", "ping"),
        ("backchannel_token_delivery_mode", "push"),
        ("backchannel_client_notification_endpoint", "https://app.voorbeeld.example/ping"),
        ("backchannel_user_code_parameter", True),
        ("backchannel_authentication_request_signing_alg", "none"),
        ("backchannel_authentication_request_signing_alg", "RS256"),
        ("token_endpoint_auth_method", "none"),
        ("redirect_uris", [REDIRECT]),
        ("response_types", ["code"]),
        ("scope", "aanleveringen:schrijven"),
        ("grant_types", [CIBA, "authorization_code"]),
        ("grant_types", [CIBA, "refresh_token"]),
    ],
)
def test_invalid_ciba_client_metadata_is_rejected(member, value) -> None:
    assert member in faults(**{member: value})


@pytest.mark.parametrize(
    "member", ["backchannel_token_delivery_mode", "backchannel_authentication_request_signing_alg"]
)
def test_ciba_metadata_of_another_client_type_is_rejected(member) -> None:
    value = {"backchannel_token_delivery_mode": "poll"}.get(member, "ES256")
    assert member in metadata.find_metadata_errors(
        make_app_metadata(PAIR, **{member: value}), practice=False, detail_type="berichtenbox"
    )
