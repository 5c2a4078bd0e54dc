"""The people that a helper helps: a card each, the agreement, and giving back."""

from datetime import timedelta

import pytest

from machtiging.identity.csrf import CSRF_FIELD
from machtiging.kernel.ids import uuid7
from tests.builders.database import record_queries
from tests.builders.helping import open_helper_session
from tests.builders.letters import SVB
from tests.builders.machtiging import insert_machtiging
from tests.builders.people import ISSUER
from tests.builders.rows import BERICHTEN, JOURNAL_INTAKE, MACHTIGINGEN

KVK = "90000002"


@pytest.fixture
async def helped(world, portal):
    """A machtiging of the helper, and the browser in which he has logged in."""
    assert (world.citizen, world.helper) == (portal.people.mother, portal.people.son)
    return await world.grant_machtiging(), await portal.son()


def address_of(machtiging_id, below=""):
    return f"{ISSUER}/ik-help/{machtiging_id}{below}"


async def test_people_page_without_a_machtiging_says_what_to_do(portal):
    page = await (await portal.son()).open_page(ISSUER + "/ik-help")
    assert "U helpt nog niemand" in page.text
    assert any(words == "Een code invullen" for _, words in page.links)


async def test_people_page_has_a_card_with_end_letters_and_how_to_stop(helped):
    machtiging_id, son = helped
    page = await son.open_page(ISSUER + "/ik-help")
    assert "Ans Voorbeeld" in page.text
    assert "Werkt nu" in page.text
    links = {href for href, _ in page.links}
    assert {f"/ik-help/{machtiging_id}{below}" for below in ("", "/brieven", "/teruggeven")} <= links


async def test_people_page_of_the_giver_has_no_card_of_what_was_given(portal, helped):
    assert "U helpt nog niemand" in (await (await portal.mother()).open_page(ISSUER + "/ik-help")).text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [("pause", "zette dit op pauze"), ("revoke", "U kunt niet meer lezen")],
)
async def test_card_of_a_stopped_machtiging_says_why_and_what_to_do(world, helped, change, sentence):
    machtiging_id, son = helped
    await getattr(world, change)(machtiging_id)
    for address in (ISSUER + "/ik-help", address_of(machtiging_id)):
        page = await son.open_page(address)
        if change == "pause" or "ik-help/" in address:
            assert sentence in page.text
        assert f"/ik-help/{machtiging_id}/brieven" not in {href for href, _ in page.links}


@pytest.mark.parametrize(("starts", "ends", "sentence"), [(-9, -1, "nieuwe code"), (1, 9, "U kunt lezen vanaf")])
async def test_card_of_a_machtiging_outside_its_period_says_so(world, portal, starts, ends, sentence):
    now = world.clock.now()
    await world.grant_machtiging(starts_at=now + timedelta(days=starts), ends_at=now + timedelta(days=ends))
    page = await (await portal.son()).open_page(ISSUER + "/ik-help")
    assert sentence in page.text


async def test_card_of_another_login_shows_no_name(world, portal):
    machtiging_id = await world.grant_machtiging(KVK, capacity="professional")
    son = await portal.son()
    for address in (ISSUER + "/ik-help", address_of(machtiging_id)):
        page = await son.open_page(address)
        assert "Ans Voorbeeld" not in page.text
        assert KVK in page.text
    employee = await portal.browser_of(portal.people.son, kvk=KVK)
    assert "Ans Voorbeeld" in (await employee.open_page(ISSUER + "/ik-help")).text


async def test_people_page_takes_at_most_five_statements(world, portal, database):
    for _ in range(4):
        await world.grant_machtiging()
    helper = await open_helper_session(portal, world.helper, None)
    await helper.request("/ik-help")
    with record_queries(database) as queries:
        await helper.request("/ik-help")
    statements = [query for query in queries if query not in ("BEGIN;", "COMMIT;")]
    assert len(statements) <= 5, statements


async def test_people_page_with_three_hundred_machtigingen_takes_at_most_five_statements(world, portal, database):
    row = world.machtiging_row
    async with world.sessions.begin() as session:
        for _ in range(300):
            await insert_machtiging(session, **row(uuid7()))
    await world.deliver_letter()
    helper = await open_helper_session(portal, world.helper, None)
    await helper.request("/ik-help")
    with record_queries(database) as queries:
        page = await helper.request("/ik-help")
    statements = [query for query in queries if query not in ("BEGIN;", "COMMIT;")]
    assert len(statements) <= 5, statements
    assert page.text.count("1 brief die u nog niet las") == 300


async def test_card_counts_letters_that_the_helper_did_not_open(world, portal, helped):
    machtiging_id, son = helped
    letters = [await world.deliver_letter() for _ in range(2)]
    hidden = await world.deliver_letter(oin=SVB, dienst="aow")
    narrow = await world.grant_machtiging(afzenders=[SVB])
    await (await portal.mother()).open_page(f"{ISSUER}/brieven/{letters[0]}")
    page = await son.open_page(ISSUER + "/ik-help")
    assert "3 brieven die u nog niet las" in page.text
    assert "1 brief die u nog niet las" in page.text
    await son.open_page(address_of(narrow, f"/brieven/{hidden}"))
    await son.open_page(address_of(machtiging_id, f"/brieven/{letters[0]}"))
    page = await son.open_page(ISSUER + "/ik-help")
    assert page.text.count("die u nog niet las") == 1
    assert "1 brief die u nog niet las" in page.text
    assert (await BERICHTEN.read_one(world, "read_at", id=letters[1])).read_at is None


@pytest.mark.parametrize("change", ["revoke", "pause"])
async def test_card_of_a_stopped_machtiging_has_no_number_of_letters(world, helped, change):
    machtiging_id, son = helped
    await world.deliver_letter()
    await getattr(world, change)(machtiging_id)
    assert "nog niet las" not in (await son.open_page(ISSUER + "/ik-help")).text


async def test_card_of_another_login_has_no_number_of_letters(world, portal):
    await world.grant_machtiging(KVK, capacity="professional")
    await world.deliver_letter()
    assert "nog niet las" not in (await (await portal.son()).open_page(ISSUER + "/ik-help")).text


@pytest.mark.parametrize("below", ["", "/teruggeven"])
async def test_idor_agreement_of_another_is_refused_as_one_that_does_not_exist(world, portal, helped, below):
    machtiging_id, son = helped
    given = await world.grant_machtiging(vertegenwoordigde_id=world.helper, gemachtigde_id=world.citizen)
    mother = await portal.mother()
    for browser, wrong in ((son, uuid7()), (son, given), (mother, machtiging_id), (son, str(machtiging_id).upper())):
        page = await browser.open_page(address_of(wrong, below), expected_status=404)
        assert "Voorbeeld" not in page.text.replace("Ans Voorbeeld" if browser is mother else "Bram Voorbeeld", "")


async def test_agreement_shows_terms_and_apps(helped):
    machtiging_id, son = helped
    page = await son.open_page(address_of(machtiging_id))
    assert "U mag post lezen van Ans Voorbeeld" in page.text
    assert "alle organisaties" in page.text
    assert "U leest deze post nu met geen enkele app." in page.text


async def test_give_back_asks_first_and_then_ends_the_machtiging(world, helped):
    machtiging_id, son = helped
    question = await son.open_page(address_of(machtiging_id, "/teruggeven"))
    assert (await MACHTIGINGEN.read_one(world, "state", id=machtiging_id)).state == "active"
    form = question.find_form("/teruggeven")
    page = await son.submit_form(form, {})
    assert "U bent gestopt met helpen" in page.text
    assert (await MACHTIGINGEN.read_one(world, "state", id=machtiging_id)).state == "ended"
    again = await son.submit_form(form, {})
    assert "U bent gestopt met helpen" in again.text
    lines = await JOURNAL_INTAKE.read(world, "outcome", act="machtiging:teruggegeven", outcome="done")
    assert len(lines) == 1
    assert "/teruggeven" not in [form.action for form in (await son.open_page(ISSUER + form.action)).forms]


async def test_give_back_after_withdrawal_shows_what_holds_now(world, helped):
    machtiging_id, son = helped
    form = (await son.open_page(address_of(machtiging_id, "/teruggeven"))).find_form("/teruggeven")
    await world.revoke(machtiging_id)
    page = await son.submit_form(form, {}, expected_status=409)
    assert "Hieronder ziet u wat er nu geldt." in page.text


async def test_csrf_give_back_without_token_changes_nothing(world, helped):
    machtiging_id, son = helped
    form = (await son.open_page(address_of(machtiging_id, "/teruggeven"))).find_form("/teruggeven")
    await son.submit_form(form, {CSRF_FIELD: "vals"}, expected_status=403)
    assert (await MACHTIGINGEN.read_one(world, "state", id=machtiging_id)).state == "active"
