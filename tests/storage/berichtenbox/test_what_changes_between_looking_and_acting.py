"""A letter is looked at in one statement and fetched in another: what changes in between shows nothing stale."""

import asyncio

import pytest

from machtiging.access.optimistic_lock import unchanged_since_read
from machtiging.berichtenbox import read_route
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.storage.statement import Statement
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.lock_waits import wait_until_blocked

WHERE = f"{API_PREFIX}/berichten/"
END = "UPDATE machtiging SET state = 'ended', ended_at = now(), end_reason = 'ingetrokken' WHERE id = $1"
PAUSE = "UPDATE machtiging SET state = 'paused', paused_at = now() WHERE id = $1"
SHORTER = "UPDATE machtiging SET ends_at = ends_at - interval '1 hour' WHERE id = $1"
CLOSE_TOKENS = "UPDATE issued_token SET revoked_at = now()"


@pytest.fixture
def between(monkeypatch):
    """What is to happen after the look and before the act, the first so many times."""
    happening = []
    acting = read_route.read_bericht_if_unchanged

    async def after_that(*args, **named):
        if happening:
            await happening.pop()()
        return await acting(*args, **named)

    monkeypatch.setattr(read_route, "read_bericht_if_unchanged", after_that)
    return happening


async def asked(world, token, bericht_id):
    async with world.client(token) as client:
        return await client.get(WHERE + bericht_id)


@pytest.mark.parametrize(("change", "code"), [(END, "machtiging_beeindigd"), (PAUSE, "machtiging_gepauzeerd")])
async def test_a_machtiging_that_stopped_meanwhile_shows_nothing_and_says_why(world, outsider, between, change, code):
    bericht_id, under = await world.letter(inhoud="Geheim"), await world.machtiging()
    token = await world.token(world.helper, under=under)
    between.append(lambda: outsider.execute(change, under))
    answer = await asked(world, token, bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert "Geheim" not in answer.text
    assert await world.reasons("bericht:lezen") == [code]
    assert await world.rows("SELECT * FROM reader_mark") == []


async def test_a_token_that_was_revoked_meanwhile_shows_nothing(world, outsider, between):
    for token in (await world.helper_token(), await world.token(world.citizen)):
        bericht_id = await world.letter(inhoud="Geheim")
        between.append(lambda: outsider.execute(CLOSE_TOKENS))
        answer = await asked(world, token, bericht_id)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")
        assert "Geheim" not in answer.text
    assert await world.reasons("bericht:lezen") == []


async def test_a_letter_that_its_owner_threw_away_meanwhile_is_not_shown(world, outsider, between):
    bericht_id = await world.letter(inhoud="Geheim")
    between.append(lambda: outsider.execute("UPDATE bericht SET deleted_at = now()"))
    answer = await asked(world, await world.helper_token(), bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "bericht_onbekend")
    assert "toegestaan" not in await world.reasons("bericht:lezen")


async def test_a_change_that_takes_nothing_away_costs_another_look_and_leaves_one_line(world, outsider, between):
    bericht_id, under = await world.letter(), await world.machtiging()
    token = await world.token(world.helper, under=under)
    between.extend([lambda: outsider.execute(SHORTER, under)] * 3)
    assert (await asked(world, token, bericht_id)).status_code == 200
    assert between == []
    assert await world.reasons("bericht:lezen") == ["toegestaan"]


async def test_what_changes_again_and_again_is_not_waited_for_without_end(world, outsider, between):
    bericht_id, under = await world.letter(inhoud="Geheim"), await world.machtiging()
    token = await world.token(world.helper, under=under)
    between.extend([lambda: outsider.execute(SHORTER, under)] * 99)
    answer = await asked(world, token, bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (503, "opslag_niet_bereikbaar")
    assert "Geheim" not in answer.text
    assert await world.reasons("bericht:lezen") == []


async def test_of_two_machtigingen_only_the_one_of_the_token_matters(world, outsider, between):
    bericht_id, under, other = await world.letter(), await world.machtiging(), await world.machtiging()
    token = await world.token(world.helper, under=under)
    between.append(lambda: outsider.execute(END, other))
    assert (await asked(world, token, bericht_id)).status_code == 200


@pytest.mark.parametrize(("how", "status"), [("commit", 403), ("rollback", 200)])
async def test_a_revocation_under_way_is_waited_for_whichever_way_it_ends(world, outsider, between, how, status):
    bericht_id, under = await world.letter(), await world.machtiging()
    token = await world.token(world.helper, under=under)
    revoking = outsider.transaction()
    await revoking.start()
    between.append(lambda: outsider.execute(END, under))
    reading = asyncio.create_task(asked(world, token, bericht_id))
    await wait_until_blocked(world.sessions, reading)
    await getattr(revoking, how)()
    assert (await reading).status_code == status
    assert len(await world.reasons("bericht:lezen")) == 1


async def test_the_statement_that_acts_holds_the_machtiging_until_it_has_been_committed(world, database, outsider):
    under = await world.machtiging()
    await world.token(world.helper, under=under)
    jti, version = await outsider.fetchrow("SELECT t.id, m.xmin FROM issued_token t JOIN machtiging m ON true")
    values = {"jti": jti, "machtiging": under, "version": version}
    async with unit_of_work(database.sessions) as acting:
        assert await Statement(unchanged_since_read(with_machtiging=True)).one_or_none(acting, values) is not None
        ending = asyncio.create_task(outsider.execute(END, under))
        await wait_until_blocked(database.sessions, ending)
    await ending
    async with unit_of_work(database.sessions) as later:
        assert await Statement(unchanged_since_read(with_machtiging=True)).one_or_none(later, values) is None
