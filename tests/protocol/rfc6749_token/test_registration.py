"""Client registration by an operator (RFC 7591 metadata from a file)."""

from __future__ import annotations

import pytest

from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.message_catalogue import describe_refusal
from machtiging.oauth.register_client import register_client
from tests.builders.client import make_agency_metadata, make_app_metadata, make_client_keys
from tests.builders.keys import NOON
from tests.builders.machtiging import UWV


@pytest.fixture
def client_keys():
    return make_client_keys()


async def test_registration_returns_generated_client_id(session, client_keys) -> None:
    made = await register_client(session, make_app_metadata(client_keys), detail_type="berichtenbox", oin=None, at=NOON)
    assert len(made["client_id"]) >= 22
    assert made["client_id_issued_at"] == int(NOON.timestamp())
    assert made["client_name"] == "Leesapp"
    assert made["jwks"] == client_keys.jwks
    other = await register_client(
        session, make_app_metadata(client_keys), detail_type="berichtenbox", oin=None, at=NOON
    )
    assert other["client_id"] != made["client_id"]


async def test_registration_repeated_is_idempotent_and_changed_is_a_conflict(session, client_keys) -> None:
    chosen = make_app_metadata(client_keys, client_id="leesapp")
    first = await register_client(session, chosen, detail_type="berichtenbox", oin=None, at=NOON, practice=True)
    assert (await register_client(session, chosen, detail_type="berichtenbox", oin=None, at=NOON, practice=True))[
        "client_id"
    ] == first["client_id"]
    with pytest.raises(Conflict, match="client_bestaat_al"):
        await register_client(
            session, chosen | {"client_name": "Ander"}, detail_type="berichtenbox", oin=None, at=NOON, practice=True
        )


async def test_registration_reports_all_errors_at_once(session) -> None:
    with pytest.raises(InvalidInput) as refused:
        await register_client(session, {"onbekend": 1}, detail_type="berichtenbox", oin="00000099999999999000", at=NOON)
    expected = {"onbekend", "client_name", "grant_types", "token_endpoint_auth_method", "redirect_uris", "oin"}
    assert refused.value.fields.keys() == expected
    assert all(name in describe_refusal(refused.value) for name in expected)


async def test_registration_for_delivery_requires_known_oin(session, client_keys) -> None:
    for oin in (None, UWV, "onzin", "\u0661" * 20):  # the catalogue is empty
        with pytest.raises(InvalidInput) as refused:
            await register_client(
                session, make_agency_metadata(client_keys), detail_type="berichtenbox", oin=oin, at=NOON
            )
        assert refused.value.fields.keys() == {"oin"}
