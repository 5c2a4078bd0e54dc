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
async def test_exchange_of_ended_token_is_rejected(chain, how) -> None:
    huis, _ = await chain.register_exchanger(), await chain.register_server(resource=ARCHIEF, client_name="Archief")
    first = await chain.issue_token()
    if (statement := ENDINGS[how]) is None:
        chain.oauth.later(seconds=600)
    else:
        await update_rows(chain.oauth, statement)
    assert_oauth_error(await chain.exchange(huis, first), "invalid_request")


async def test_exchange_under_paused_machtiging_is_rejected(chain) -> None:
    huis, _ = await chain.register_exchanger(), await chain.register_server(resource=ARCHIEF, client_name="Archief")
    first, mother = await chain.issue_token(), chain.oauth.committed.people.mother
    async with unit_of_work(chain.oauth.sessions) as session:
        await pause_machtiging(session, chain.machtiging.id, mother, at=chain.oauth.clock.now())
    assert_oauth_error(await chain.exchange(huis, first), "invalid_request")


async def test_exchange_of_token_of_suspended_app_is_rejected(chain) -> None:
    huis, _ = await chain.register_exchanger(), await chain.register_server(resource=ARCHIEF, client_name="Archief")
    first = await chain.issue_token()
    # only the client row: the token revocation of a suspension must not be the only check
    await update_rows(
        chain.oauth, "UPDATE oauth_client SET state = 'suspended' WHERE client_id = :it", it=chain.app.client_id
    )
    assert_oauth_error(await chain.exchange(huis, first), "invalid_request")


async def test_machtiging_end_makes_the_whole_chain_inactive(chain) -> None:
    huis = await chain.register_exchanger()
    archief = await chain.register_server(resource=ARCHIEF, client_name="Archief")
    first = await chain.issue_token()
    second = await chain.exchanged(huis, first)
    async with unit_of_work(chain.oauth.sessions) as session:
        await revoke_machtiging(
            session, chain.machtiging.id, chain.oauth.committed.people.mother, at=chain.oauth.clock.now()
        )
    assert not await chain.live(archief, second)
    assert_oauth_error(await chain.exchange(huis, first), "invalid_request")


async def test_revoking_first_token_revokes_exchanged_tokens(chain) -> None:
    huis = await chain.register_exchanger()
    archief = await chain.register_exchanger(resource=ARCHIEF, client_name="Archief")
    advies = await chain.register_server(resource=ADVIES, client_name="Advies")
    first = await chain.issue_token()
    second = await chain.exchanged(huis, first)
    third = await chain.exchanged(archief, second, resource=ADVIES)
    assert await chain.live(advies, third)
    assert (await chain.app.post("/revoke", {"token": first})).status_code == 200
    assert not await chain.live(archief, second)
    assert not await chain.live(advies, third)


async def test_suspending_app_or_service_revokes_later_tokens_of_the_chain(chain) -> None:

    huis = await chain.register_exchanger()
    archief = await chain.register_exchanger(resource=ARCHIEF, client_name="Archief")
    advies = await chain.register_server(resource=ADVIES, client_name="Advies")
    first = await chain.issue_token()
    third = await chain.exchanged(archief, await chain.exchanged(huis, first), resource=ADVIES)
    async with unit_of_work(chain.oauth.sessions) as session:
        await suspend_client(session, huis.client_id, at=chain.oauth.clock.now())
    assert not await chain.live(advies, third)
    assert await chain.live(chain.app, first)


async def test_exchanged_token_revoked_keeps_the_consent_of_the_app(chain) -> None:
    huis = await chain.register_exchanger()
    archief = await chain.register_server(resource=ARCHIEF, client_name="Archief")
    first = await chain.issue_token()
    second = await chain.exchanged(huis, first)
    assert (await huis.post("/revoke", {"token": second})).status_code == 200
    assert not await chain.live(archief, second)
    assert await chain.live(huis, first)
    assert (await chain.row(first)).revoked_at is None


async def test_revocation_by_a_service_not_owning_the_token_is_ignored(chain) -> None:
    huis = await chain.register_exchanger()
    first = await chain.issue_token()
    await huis.post("/revoke", {"token": first})
    assert await chain.live(chain.app, first)


async def test_exchange_chain_is_limited(chain) -> None:
    services = [await chain.register_exchanger(resource=one, client_name="Dienst") for one in (HUIS, ARCHIEF, ADVIES)]
    first = await chain.issue_token()
    second = await chain.exchanged(services[0], first, resource=ARCHIEF)
    third = await chain.exchanged(services[1], second, resource=ADVIES)
    assert_oauth_error(await chain.exchange(services[2], third, resource=HUIS), "invalid_request")
    assert_oauth_error(await chain.exchange(services[2], third, resource=AUDIENCE), "invalid_request")
    assert [line.reason for line in await chain.oauth.lines("token:geweigerd")] == ["keten_te_lang"] * 2
