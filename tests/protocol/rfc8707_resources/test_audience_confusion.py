"""Audience confusion: tokens for another resource are rejected by our API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from machtiging.access_tokens.issued_token import api_audience
from machtiging.access_tokens.tokens import insert_token
from machtiging.kernel.ids import TokenId, uuid7
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import API_ISSUER
from tests.builders.bearer import DELIVER, READ, assert_unauthenticated, sign_access_token
from tests.builders.tokens import HUIS


@pytest.mark.parametrize("aud", [HUIS, [HUIS], [HUIS, "https://ander.example"], ""])
async def test_audience_confusion_token_for_another_resource_is_rejected(bearer_world, aud) -> None:
    for facts, path in ((bearer_world.helper, READ), (bearer_world.own, READ), (bearer_world.agency, DELIVER)):
        assert_unauthenticated(await bearer_world.ask(sign_access_token(facts, aud=aud), path), "token_ongeldig")


async def test_audience_confusion_token_stored_for_another_resource_is_rejected(bearer_world) -> None:
    facts = replace(bearer_world.helper, id=TokenId(uuid7()), audience=HUIS)
    async with unit_of_work(bearer_world.database.sessions) as session:
        await insert_token(session, facts)
    for aud in (api_audience(API_ISSUER), HUIS):
        assert_unauthenticated(await bearer_world.ask(sign_access_token(facts, aud=aud)), "token_ongeldig")


async def test_exchanged_token_for_our_api_is_accepted_for_its_person(bearer_world) -> None:
    facts = replace(bearer_world.helper, id=TokenId(uuid7()), client_id="huisdienst", parent_id=bearer_world.helper.id)
    async with unit_of_work(bearer_world.database.sessions) as session:
        await insert_token(session, facts)
    answer = await bearer_world.ask(sign_access_token(facts))
    people = bearer_world.people
    assert answer.json() == {"wie": str(people.son), "voor": str(people.mother), "als": "relative"}
