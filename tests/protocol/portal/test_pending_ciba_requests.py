"""Pending CIBA requests are shown on the start pages of the person who was asked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.oauth.register_client import register_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import make_ciba_desk_metadata
from tests.builders.client import make_client_keys
from tests.builders.people import ISSUER

INSERT_CIBA_REQUEST = text(
    "INSERT INTO backchannel_request (request_hash, client_id, person_id, params, binding_message, state, created_at,"
    " expires_at, interval_seconds) VALUES (sha256(:n), :app, :her, '{\"scope\": \"openid\"}', 'Balie 3', :state, :at,"
    " :until, 5)"
)


async def insert_ciba_requests(portal, *states: str) -> None:
    at = portal.clock.now()
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for number, state in enumerate(states):
            made = await register_client(
                session, make_ciba_desk_metadata(make_client_keys()), detail_type="berichtenbox", oin=None, at=at
            )
            values = {"n": bytes([number]), "app": made["client_id"], "her": portal.people.mother, "state": state}
            await session.execute(INSERT_CIBA_REQUEST, values | {"at": at, "until": at + timedelta(minutes=5)})


@pytest.mark.parametrize("path", ["/", "/helpers"])
async def test_pending_request_is_shown_on_start_pages_of_that_person_only(portal, path) -> None:
    await insert_ciba_requests(portal, "pending")
    page = await (await portal.mother()).open_page(ISSUER + path)
    assert "Er wacht een vraag op u." in page.text
    assert "Er wacht" not in (await (await portal.son()).open_page(ISSUER + path)).text


async def test_pending_requests_are_counted_without_answered_ones(portal) -> None:
    await insert_ciba_requests(portal, "pending", "pending", "denied", "expired")
    assert "Er wachten 2 vragen op u." in (await (await portal.mother()).open_page(ISSUER + "/")).text


async def test_pending_request_after_expiry_is_hidden(portal) -> None:
    await insert_ciba_requests(portal, "pending")
    portal.clock.advance(timedelta(minutes=5))
    assert "Er wacht" not in (await (await portal.mother()).open_page(ISSUER + "/")).text


async def test_start_page_links_to_the_counter_page(portal) -> None:
    assert "Hulp aan een balie" in (await (await portal.mother()).open_page(ISSUER + "/")).text
    assert "Maak een meldcode" in (await (await portal.mother()).open_page(ISSUER + "/aan-de-balie")).text
