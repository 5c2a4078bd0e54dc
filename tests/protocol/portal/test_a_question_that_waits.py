"""Who is asked something at a counter sees it on the pages that she opens first, and nobody else does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.oauth.register_client import register
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import counter_client
from tests.builders.clients import make_client_keys
from tests.builders.login import ISSUER

ASK = text(
    "INSERT INTO backchannel_request (request_hash, client_id, person_id, params, binding_message, state, created_at,"
    " expires_at, interval_seconds) VALUES (sha256(:n), :app, :her, '{\"scope\": \"openid\"}', 'Balie 3', :state, :at,"
    " :until, 5)"
)


async def asked(portal, *states: str) -> None:
    at = portal.clock.now()
    async with unit_of_work(portal.app.state.sessions) as session:
        for number, state in enumerate(states):
            made = await register(session, counter_client(make_client_keys()), oin=None, at=at)
            values = {"n": bytes([number]), "app": made["client_id"], "her": portal.people.mother, "state": state}
            await session.execute(ASK, values | {"at": at, "until": at + timedelta(minutes=5)})


@pytest.mark.parametrize("path", ["/", "/machtigingen"])
async def test_she_sees_it_on_the_pages_that_she_opens_first(portal, path) -> None:
    await asked(portal, "pending")
    page = await (await portal.mother()).open(ISSUER + path)
    assert "Er wacht een vraag op u." in page.text
    assert "Er wacht" not in (await (await portal.son()).open(ISSUER + path)).text


async def test_several_are_counted_and_what_was_answered_is_not(portal) -> None:
    await asked(portal, "pending", "pending", "denied", "expired")
    assert "Er wachten 2 vragen op u." in (await (await portal.mother()).open(ISSUER + "/")).text


async def test_what_is_over_is_no_longer_told(portal) -> None:
    await asked(portal, "pending")
    portal.clock.advance(timedelta(minutes=5))
    assert "Er wacht" not in (await (await portal.mother()).open(ISSUER + "/")).text


async def test_the_start_page_leads_to_the_counter(portal) -> None:
    assert "Hulp krijgen aan een balie" in (await (await portal.mother()).open(ISSUER + "/")).text
    assert "Maak een meldcode" in (await (await portal.mother()).open(ISSUER + "/aan-de-balie")).text
