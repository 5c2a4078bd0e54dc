"""RFC 9470: what needs a surer login says which, when that is all it takes; and then that is all it takes."""

from __future__ import annotations

import pytest

from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from tests.builders.berichtenbox import HELPING, SVB, a_world

SENSITIVE = {"oin": SVB, "dienst": "pgb-trekkingsrecht"}
LOW, SUBSTANTIAL, HIGH = Assurance
CHALLENGE = 'error="insufficient_user_authentication"'


@pytest.fixture
async def world(database, clock):
    return await a_world(database, clock)


async def read(world, bericht_id, **token):
    async with world.client(await world.token(world.helper, acts=HELPING, **token)) as client:
        return await client.get(f"/api/v1/berichten/{bericht_id}")


async def test_a_letter_that_needs_more_says_how_much(world) -> None:
    bericht_id, under = await world.letter(**SENSITIVE), await world.machtiging()
    answer = await read(world, bericht_id, under=under, assurance=LOW)
    assert (answer.status_code, answer.json()["code"]) == (401, "niveau_te_laag")
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert CHALLENGE in challenge
    assert f'acr_values="{SUBSTANTIAL.acr}"' in challenge


async def test_and_with_a_token_of_that_level_it_opens(world) -> None:
    bericht_id, under = await world.letter(**SENSITIVE), await world.machtiging()
    assert (await read(world, bericht_id, under=under, assurance=SUBSTANTIAL)).status_code == 200


async def test_a_machtiging_that_was_given_too_lightly_cannot_be_mended_by_logging_in(world) -> None:
    bericht_id = await world.letter(**SENSITIVE)
    under = await world.machtiging(assurance="laag")
    answer = await read(world, bericht_id, under=under, assurance=LOW)
    assert (answer.status_code, answer.json()["code"]) == (403, "niveau_te_laag")
    assert "www-authenticate" not in answer.headers


async def test_what_is_not_agreed_stays_hidden_however_one_logs_in(world) -> None:
    bericht_id = await world.letter(**SENSITIVE)
    under = await world.machtiging(excluded_themes=["zorg"])
    answer = await read(world, bericht_id, under=under, assurance=LOW)
    assert answer.status_code == 404
    assert "www-authenticate" not in answer.headers


async def test_an_act_that_was_not_given_is_refused_before_any_level(world) -> None:
    bericht_id, under = await world.letter(**SENSITIVE), await world.machtiging()
    async with world.client(await world.token(world.helper, under=under, acts=(Act.LIST,), assurance=LOW)) as client:
        answer = await client.get(f"/api/v1/berichten/{bericht_id}")
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")


async def test_the_refusal_is_in_the_journal_with_its_own_reason(world) -> None:
    bericht_id, under = await world.letter(**SENSITIVE), await world.machtiging()
    await read(world, bericht_id, under=under, assurance=LOW)
    assert await world.reasons("bericht:lezen") == ["niveau_te_laag"]
