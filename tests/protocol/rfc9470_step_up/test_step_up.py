"""A challenge names the required level only where a new login is enough (RFC 9470 step-up)."""

from __future__ import annotations

from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from tests.builders.letters import HELPING, SVB

SENSITIVE = {"oin": SVB, "dienst": "pgb-trekkingsrecht"}
LOW, SUBSTANTIAL, HIGH = Assurance
CHALLENGE = 'error="insufficient_user_authentication"'


async def read(world, bericht_id, **token):
    async with world.client(await world.issue_token(world.helper, acts=HELPING, **token)) as client:
        return await client.get(f"/api/v1/berichten/{bericht_id}")


async def test_sensitive_bericht_with_low_assurance_returns_challenge_with_acr_values(world) -> None:
    bericht_id, under = await world.deliver_letter(**SENSITIVE), await world.grant_machtiging()
    answer = await read(world, bericht_id, under=under, assurance=LOW)
    assert (answer.status_code, answer.json()["code"]) == (401, "niveau_te_laag")
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert CHALLENGE in challenge
    assert f'acr_values="{SUBSTANTIAL.acr}"' in challenge


async def test_sensitive_bericht_with_required_assurance_is_returned(world) -> None:
    bericht_id, under = await world.deliver_letter(**SENSITIVE), await world.grant_machtiging()
    assert (await read(world, bericht_id, under=under, assurance=SUBSTANTIAL)).status_code == 200


async def test_sensitive_bericht_under_machtiging_of_low_assurance_returns_403_without_challenge(world) -> None:
    bericht_id = await world.deliver_letter(**SENSITIVE)
    under = await world.grant_machtiging(assurance="laag")
    answer = await read(world, bericht_id, under=under, assurance=LOW)
    assert (answer.status_code, answer.json()["code"]) == (403, "niveau_te_laag")
    assert "www-authenticate" not in answer.headers


async def test_bericht_outside_the_machtiging_returns_404_without_challenge(world) -> None:
    bericht_id = await world.deliver_letter(**SENSITIVE)
    under = await world.grant_machtiging(excluded_themes=["zorg"])
    answer = await read(world, bericht_id, under=under, assurance=LOW)
    assert answer.status_code == 404
    assert "www-authenticate" not in answer.headers


async def test_action_not_granted_returns_403_before_step_up(world) -> None:
    bericht_id, under = await world.deliver_letter(**SENSITIVE), await world.grant_machtiging()
    async with world.client(
        await world.issue_token(world.helper, under=under, acts=(Act.LIST,), assurance=LOW)
    ) as client:
        answer = await client.get(f"/api/v1/berichten/{bericht_id}")
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")


async def test_step_up_refusal_is_journalled(world) -> None:
    bericht_id, under = await world.deliver_letter(**SENSITIVE), await world.grant_machtiging()
    await read(world, bericht_id, under=under, assurance=LOW)
    assert await world.reasons("bericht:lezen") == ["niveau_te_laag"]
