"""A helper shows what the helper did, without what the helper may not know."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.suspension.emergency_stop import start_emergency_stop
from machtiging.kernel.ids import uuid7
from machtiging.portal.helping import own_acts
from tests.builders.database import record_queries
from tests.builders.helping import open_helper_session
from tests.builders.letters import SVB, UWV, make_pdf
from tests.builders.people import ISSUER
from tests.builders.rows import BIJLAGEN

KVK = "90000002"
SENDERS = ("UWV", "SVB")


@pytest.fixture
async def box(world, portal):
    assert (world.citizen, world.helper) == (portal.people.mother, portal.people.son)
    return await world.grant_machtiging()


@pytest.fixture
async def helper(world, portal, box):
    return await open_helper_session(portal, world.helper, box)


async def open_acts(helper, query=""):
    return await helper.request(f"/ik-help/{helper.box}/wat-ik-deed{query}")


def read_main(page):
    """The text of the page between menu and footer."""
    inner = page.text.split("<main")[1].split("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", inner))


async def test_own_acts_name_the_helper_the_sender_and_the_letter(world, helper):
    letter = await world.deliver_letter(("brief.pdf", make_pdf(), "application/pdf"))
    await helper.get()
    await helper.get(letter)
    await helper.get(letter, await BIJLAGEN.read_value(world, "id"))
    page = await open_acts(helper)
    assert page.status_code == 200
    main = read_main(page)
    assert "Bram Voorbeeld las een brief van UWV" in main
    assert "Bram Voorbeeld haalde een bijlage van UWV op" in main
    assert "Bram Voorbeeld bekeek de lijst met brieven" in main
    assert helper.path(letter) in page.text
    assert "Ans Voorbeeld" in main


async def test_own_acts_show_no_act_of_another_and_none_under_another_machtiging(world, portal, helper):
    letter = await world.deliver_letter()
    other = await open_helper_session(portal, world.helper, await world.grant_machtiging())
    await other.get(letter)
    await (await portal.mother()).open_page(f"{ISSUER}/brieven/{letter}")
    async with world.sessions.begin() as session:  # an act of another under the same machtiging
        line = NewJournalLine(
            act=JournalAct.BERICHT_LEZEN,
            outcome=JournalOutcome.ALLOWED,
            reason="toegestaan",
            actor_id=world.citizen,
            for_person_id=world.citizen,
            machtiging_id=helper.box,
            object_kind="bericht",
            object_id=letter,
        )
        await record(session, line, at=world.clock.now())
    assert "U deed nog niets met deze post." in read_main(await open_acts(helper))


async def test_refused_acts_show_no_sender_no_reason_and_do_not_tell_letters_apart(world, portal):
    """Outside the scope, thrown away, of another person, not there: one line, counted together."""
    hidden = await world.deliver_letter(oin=SVB, dienst="aow")
    gone = await world.deliver_letter()
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE bericht SET deleted_at = now() WHERE id = :id"), {"id": gone})
    foreign = await world.deliver_letter(ontvanger={"type": "BSN", "waarde": "999990044"})
    pages = []
    for tried in ((hidden, hidden, hidden, hidden), (uuid7(), uuid7(), uuid7(), uuid7()), (hidden, gone, foreign, 1)):
        fresh = await open_helper_session(portal, world.helper, await world.grant_machtiging(afzenders=[UWV]))
        for letter in tried:
            assert (await fresh.get(letter)).status_code == 404
        page = await open_acts(fresh)
        pages.append(read_main(page).replace(str(fresh.box), ""))
        assert not any(sender in pages[-1] for sender in SENDERS)
        assert hidden not in page.text
        assert "wilde een brief lezen, 4 keer" in pages[-1]
    assert pages == [pages[0]] * len(pages)


async def test_page_of_refused_acts_ends_at_the_same_place_for_every_letter(world, portal, monkeypatch):
    monkeypatch.setattr(own_acts, "PAGE_SIZE", 3)
    hidden, lengths = await world.deliver_letter(oin=SVB, dienst="aow"), []
    for tried in ([hidden] * 4, [uuid7() for _ in range(4)]):
        helper = await open_helper_session(portal, world.helper, await world.grant_machtiging(afzenders=[UWV]))
        for letter in tried:
            await helper.get(letter)
        lengths.append("regel=" in (await open_acts(helper)).text)
    assert lengths == [True, True]


@pytest.mark.parametrize("change", ["narrow", "revoke", "pause", "stop", "delete"])
async def test_sender_of_a_letter_that_may_not_be_seen_any_more_is_not_shown(world, portal, helper, change):
    letter = await world.deliver_letter()
    await helper.get(letter)
    assert "UWV" in read_main(await open_acts(helper))
    if change == "narrow":
        helper.box = await world.grant_machtiging(afzenders=[SVB])
        async with world.sessions.begin() as session:
            line = NewJournalLine(
                act=JournalAct.BERICHT_LEZEN,
                outcome=JournalOutcome.ALLOWED,
                reason="toegestaan",
                actor_id=world.helper,
                for_person_id=world.citizen,
                machtiging_id=helper.box,
                object_kind="bericht",
                object_id=letter,
            )
            await record(session, line, at=world.clock.now())
    elif change == "stop":
        async with world.sessions.begin() as session:
            await start_emergency_stop(session, world.citizen, at=world.clock.now())
    elif change == "delete":
        async with world.sessions.begin() as session:
            await session.execute(text("UPDATE bericht SET deleted_at = now()"))
    else:
        await getattr(world, change)(helper.box)
    page = await open_acts(helper)
    assert page.status_code == 200
    assert "Bram Voorbeeld las een brief." in re.sub(r" \.", ".", read_main(page))
    assert "UWV" not in read_main(page)
    assert letter not in page.text


async def test_own_acts_are_listed_in_pages_newest_first(world, helper, monkeypatch):
    monkeypatch.setattr(own_acts, "PAGE_SIZE", 2)
    letters = []
    for _ in range(5):
        letters.append(await world.deliver_letter())
        await helper.get(letters[-1])
        world.clock.advance(timedelta(seconds=1))
    found, path = [], f"/ik-help/{helper.box}/wat-ik-deed"
    while path:
        page = await helper.request(path)
        found += re.findall(rf"{helper.path()}/([0-9a-f-]+)", page.text)
        older = re.findall(r'href="(/ik-help/[^"]*regel=[^"]+)"', page.text)
        path = older[0].replace("&amp;", "&") if older else None
    assert found == letters[::-1]


async def test_own_acts_take_the_same_statements_for_many_lines(world, helper, database):
    counts = []
    for number in (1, 30):
        for _ in range(number):
            await helper.get(await world.deliver_letter())
        with record_queries(database) as queries:
            await open_acts(helper)
        counts.append(len([query for query in queries if query not in ("BEGIN;", "COMMIT;")]))
    assert counts[0] == counts[1] <= 6, counts


async def test_idor_own_acts_under_a_machtiging_of_another_are_refused_as_one_that_does_not_exist(
    world, portal, helper
):
    given = await world.grant_machtiging(vertegenwoordigde_id=world.helper, gemachtigde_id=world.citizen)
    stranger = await open_helper_session(portal, portal.people.mother, helper.box)
    for session, box in ((helper, uuid7()), (helper, given), (helper, "nul"), (stranger, helper.box)):
        session.box = box
        page = await open_acts(session)
        assert page.status_code == 404
        assert "Voorbeeld" not in read_main(page)


async def test_own_acts_are_hidden_from_a_login_for_another_organisation(world, portal):
    box = await world.grant_machtiging(KVK, capacity="professional")
    employee = await open_helper_session(portal, world.helper, box, kvk=KVK)
    assert (await open_acts(employee)).status_code == 200
    private = await open_helper_session(portal, world.helper, box)
    page = await open_acts(private)
    assert (page.status_code, "Ans Voorbeeld" in page.text) == (404, False)


@pytest.mark.parametrize("query", ["?voor=gisteren", "?regel=x", "?voor=0001-01-01T00:00:00Z", "?voor=2026-01-01"])
async def test_own_acts_with_a_malformed_cursor_are_rejected(helper, query):
    assert (await open_acts(helper, query)).status_code == 400


async def test_own_acts_can_be_printed_without_script(helper):
    page = await open_acts(helper)
    assert "data-print hidden" in page.text
    assert "Ctrl en P" in page.text
