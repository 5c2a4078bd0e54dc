"""RFC 8693: ended tokens are not exchanged, and exchanged tokens end with their subject token."""

from __future__ import annotations

import pytest

from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.termination import revoke_machtiging
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import AUDIENCE
from tests.builders.tokens import ADVIES, ARCHIEF, HUIS, assert_oauth_error, update_rows

JWT = "urn:ietf:params:oauth:token-type:jwt"


ENDINGS = {
    "expired": None,
    "revoked": "UPDATE issued_token SET revoked_at = now()",
    "grant": "UPDATE oauth_grant SET ended_at = now(), end_reason = 'proef'",
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_exchange_of_ended_token_is_rejected(exchanging_clients, how) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    if (statement := ENDINGS[how]) is None:
        exchanging_clients.oauth.later(seconds=600)
    else:
        await update_rows(exchanging_clients.oauth, statement)
    assert_oauth_error(await exchanging_clients.exchange(huis, first), "invalid_request")


async def test_exchange_under_paused_machtiging_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first, mother = await exchanging_clients.issue_token(), exchanging_clients.oauth.committed.people.mother
    async with unit_of_work(exchanging_clients.oauth.sessions) as session:
        await pause_machtiging(
            session, exchanging_clients.machtiging.id, mother, at=exchanging_clients.oauth.clock.now()
        )
    assert_oauth_error(await exchanging_clients.exchange(huis, first), "invalid_request")


async def test_exchange_of_token_of_suspended_app_is_rejected(exchanging_clients) -> None:
    huis, _ = (
        await exchanging_clients.register_exchanger(),
        await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief"),
    )
    first = await exchanging_clients.issue_token()
    # only the client row: the token revocation of a suspension must not be the only check
    await update_rows(
        exchanging_clients.oauth,
        "UPDATE oauth_client SET state = 'suspended' WHERE client_id = :it",
        it=exchanging_clients.app.client_id,
    )
    assert_oauth_error(await exchanging_clients.exchange(huis, first), "invalid_request")


async def test_machtiging_end_makes_the_whole_chain_inactive(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    archief = await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    first = await exchanging_clients.issue_token()
    second = await exchanging_clients.exchanged(huis, first)
    async with unit_of_work(exchanging_clients.oauth.sessions) as session:
        await revoke_machtiging(
            session,
            exchanging_clients.machtiging.id,
            exchanging_clients.oauth.committed.people.mother,
            at=exchanging_clients.oauth.clock.now(),
        )
    assert not await exchanging_clients.live(archief, second)
    assert_oauth_error(await exchanging_clients.exchange(huis, first), "invalid_request")


async def test_revoking_first_token_revokes_exchanged_tokens(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    archief = await exchanging_clients.register_exchanger(resource=ARCHIEF, client_name="Archief")
    advies = await exchanging_clients.register_server(resource=ADVIES, client_name="Advies")
    first = await exchanging_clients.issue_token()
    second = await exchanging_clients.exchanged(huis, first)
    third = await exchanging_clients.exchanged(archief, second, resource=ADVIES)
    assert await exchanging_clients.live(advies, third)
    assert (await exchanging_clients.app.post("/revoke", {"token": first})).status_code == 200
    assert not await exchanging_clients.live(archief, second)
    assert not await exchanging_clients.live(advies, third)


async def test_suspending_app_or_service_revokes_later_tokens_of_the_chain(exchanging_clients) -> None:

    huis = await exchanging_clients.register_exchanger()
    archief = await exchanging_clients.register_exchanger(resource=ARCHIEF, client_name="Archief")
    advies = await exchanging_clients.register_server(resource=ADVIES, client_name="Advies")
    first = await exchanging_clients.issue_token()
    third = await exchanging_clients.exchanged(
        archief, await exchanging_clients.exchanged(huis, first), resource=ADVIES
    )
    async with unit_of_work(exchanging_clients.oauth.sessions) as session:
        await suspend_client(session, huis.client_id, at=exchanging_clients.oauth.clock.now())
    assert not await exchanging_clients.live(advies, third)
    assert await exchanging_clients.live(exchanging_clients.app, first)


async def test_exchanged_token_revoked_keeps_the_consent_of_the_app(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    archief = await exchanging_clients.register_server(resource=ARCHIEF, client_name="Archief")
    first = await exchanging_clients.issue_token()
    second = await exchanging_clients.exchanged(huis, first)
    assert (await huis.post("/revoke", {"token": second})).status_code == 200
    assert not await exchanging_clients.live(archief, second)
    assert await exchanging_clients.live(huis, first)
    assert (await exchanging_clients.row(first)).revoked_at is None


async def test_revocation_by_a_service_not_owning_the_token_is_ignored(exchanging_clients) -> None:
    huis = await exchanging_clients.register_exchanger()
    first = await exchanging_clients.issue_token()
    await huis.post("/revoke", {"token": first})
    assert await exchanging_clients.live(exchanging_clients.app, first)


async def test_exchange_chain_is_limited(exchanging_clients) -> None:
    services = [
        await exchanging_clients.register_exchanger(resource=one, client_name="Dienst")
        for one in (HUIS, ARCHIEF, ADVIES)
    ]
    first = await exchanging_clients.issue_token()
    second = await exchanging_clients.exchanged(services[0], first, resource=ARCHIEF)
    third = await exchanging_clients.exchanged(services[1], second, resource=ADVIES)
    assert_oauth_error(await exchanging_clients.exchange(services[2], third, resource=HUIS), "invalid_request")
    assert_oauth_error(await exchanging_clients.exchange(services[2], third, resource=AUDIENCE), "invalid_request")
    assert [line.reason for line in await exchanging_clients.oauth.lines("token:geweigerd")] == ["keten_te_lang"] * 2
