"""RFC 7591 section 2: unknown metadata is ignored; known but unsupported metadata is rejected."""

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import create_invitation, make_app_metadata, make_client_keys, post_registration
from tests.builders.rows import CLIENTS

PAIR = make_client_keys()


async def clients(oauth) -> int:
    async with unit_of_work(oauth.sessions) as session:
        return await CLIENTS.count(session)


async def test_rfc_7591_2_unknown_metadata_is_ignored_and_not_returned(production_oauth) -> None:
    strange = {"application_type": "web", "client_name#en": "Reader", "onbekend": {"a": [1]}, "x" * 500: None}
    answer = await post_registration(
        production_oauth, await create_invitation(production_oauth), make_app_metadata(PAIR, **strange)
    )
    assert answer.status_code == 201, answer.text
    assert answer.json().keys() & strange.keys() == set()
    assert answer.json()["client_name"] == "Leesapp"
    kept = await CLIENTS.read_one(production_oauth, "registration")
    assert "onbekend" not in str(kept)


IN_VAIN = [
    {"default_acr_values": ["http://eidas.europa.eu/LoA/high"]},
    {"default_max_age": 60},
    {"id_token_encrypted_response_alg": "RSA-OAEP-256"},
    {"userinfo_encrypted_response_enc": "A256GCM"},
    {"request_object_encryption_alg": "RSA-OAEP-256"},
    {"introspection_encrypted_response_alg": "RSA-OAEP-256"},
    {"introspection_signed_response_alg": "PS256"},
    {"authorization_signed_response_alg": "PS256"},
    {"frontchannel_logout_uri": "https://app.voorbeeld.example/weg"},
    {"sector_identifier_uri": "https://app.voorbeeld.example/sector"},
    {"tls_client_auth_san_dns": "app.voorbeeld.example"},
    {"exchange_targets": ["https://bron.example/"]},
]


async def test_unsupported_security_metadata_is_rejected_by_name(production_oauth) -> None:
    """RFC 7591 2 allows rejection: silently ignored, the app would seem safer than it is."""
    token = await create_invitation(production_oauth)
    for asked in IN_VAIN:
        answer = await post_registration(production_oauth, token, make_app_metadata(PAIR, **asked))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), asked
        assert next(iter(asked)) in answer.json()["error_description"]
    assert await clients(production_oauth) == 0
