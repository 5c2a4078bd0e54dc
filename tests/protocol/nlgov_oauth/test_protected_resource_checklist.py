"""One test per thing that the API must do with a token (NL GOV Assurance profile for OAuth 2.0, 1.1, chapter 4).

The number in a name is the section. 6 is about TLS, which ends at the proxy (docs/operations.md).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from machtiging.access_tokens.token_revocation import revoke_token
from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import (
    DELIVER,
    READ,
    assert_forbidden,
    assert_unauthenticated,
    sign_access_token,
)
from tests.builders.letters import HELPING, SVB, make_api_world

DOCS = Path(__file__).parents[3] / "docs"


async def test_4_1_low_assurance_token_returns_step_up_challenge(database, clock) -> None:
    world = await make_api_world(database, clock)
    letter, under = await world.deliver_letter(oin=SVB, dienst="pgb-trekkingsrecht"), await world.grant_machtiging()
    token = await world.issue_token(world.helper, acts=HELPING, under=under, assurance=Assurance.LOW)
    async with world.client(token) as client:
        answer = await client.get(f"/api/v1/berichten/{letter}")
    assert answer.status_code == 401
    assert "acr_values=" in answer.headers["www-authenticate"]


async def test_4_1_token_without_scope_returns_403(bearer_world) -> None:
    assert_forbidden(
        await bearer_world.ask(sign_access_token(bearer_world.helper), DELIVER), "token_voor_ander_gebruik"
    )
    assert_forbidden(await bearer_world.ask(sign_access_token(bearer_world.agency), READ), "token_voor_ander_gebruik")


async def test_4_2_token_in_header_is_required(bearer_world) -> None:
    assert (await bearer_world.ask(sign_access_token(bearer_world.helper))).status_code == 200
    assert_unauthenticated(await bearer_world.ask(), "token_ontbreekt")


async def test_4_2_token_in_query_is_rejected(offline_bearer_world) -> None:
    answer = await offline_bearer_world.ask(
        path=f"{READ}?access_token={sign_access_token(offline_bearer_world.helper)}"
    )
    assert answer.status_code in (400, 401)


async def test_4_2_token_with_other_client_id_is_rejected(bearer_world) -> None:
    assert_unauthenticated(
        await bearer_world.ask(sign_access_token(bearer_world.helper, client_id="ander")), "token_ongeldig"
    )


async def test_4_3_token_with_wrong_signature_is_rejected(offline_bearer_world) -> None:
    head, claims, signature = sign_access_token(offline_bearer_world.helper).split(".")
    changed = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert_unauthenticated(await offline_bearer_world.ask(f"{head}.{claims}.{changed}"), "token_ongeldig")


@pytest.mark.parametrize("audience", [..., "https://elders.example/api", [], ["https://elders.example"]])
async def test_4_3_token_for_other_audience_is_rejected(offline_bearer_world, audience) -> None:
    assert_unauthenticated(
        await offline_bearer_world.ask(sign_access_token(offline_bearer_world.helper, aud=audience)), "token_ongeldig"
    )


async def test_4_3_token_of_other_issuer_is_rejected(offline_bearer_world) -> None:
    assert_unauthenticated(
        await offline_bearer_world.ask(sign_access_token(offline_bearer_world.helper, iss="https://elders.example")),
        "token_ongeldig",
    )


async def test_4_3_token_of_other_typ_is_rejected(offline_bearer_world) -> None:
    assert_unauthenticated(
        await offline_bearer_world.ask(sign_access_token(offline_bearer_world.helper, typ="JWT")), "token_ongeldig"
    )


async def test_4_3_expired_token_is_rejected(bearer_world, clock) -> None:
    clock.advance(timedelta(minutes=10))
    assert_unauthenticated(await bearer_world.ask(sign_access_token(bearer_world.helper)), "token_verlopen")


async def test_4_3_revoked_token_is_rejected_without_cache(bearer_world, clock) -> None:
    token = sign_access_token(bearer_world.helper)
    assert (await bearer_world.ask(token)).status_code == 200
    async with unit_of_work(bearer_world.database.sessions) as session:
        await revoke_token(session, bearer_world.helper.id, clock.now())
    assert_unauthenticated(await bearer_world.ask(token), "token_ingetrokken")


def test_6_tls_termination_is_documented() -> None:
    assert "TLS" in (DOCS / "operations.md").read_text(encoding="utf-8")
