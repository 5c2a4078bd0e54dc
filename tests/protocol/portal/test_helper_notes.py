"""A helper writes what was done with a letter, and the citizen reads it."""

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.berichtenbox.helping import notes
from machtiging.delegation.rules import Act
from machtiging.delegation.suspension.emergency_stop import start_emergency_stop
from machtiging.identity.csrf import CSRF_FIELD
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import uuid7
from machtiging.message_catalogue import get_sentence
from tests.builders.helping import open_helper_session
from tests.builders.letters import SVB, UWV
from tests.builders.people import ISSUER, add_person
from tests.builders.rows import BERICHTEN, HELPER_NOTES, JOURNAL_INTAKE

WORDS = "Ik heb dit formulier ingevuld en opgestuurd."
WRITING, TAKING_BACK = "bericht:noteren", "bericht:notitie_intrekken"
KVK = "90000002"
NO_ID = "018f0000-0000-7000-8000-000000000001"


@pytest.fixture
async def letter(world, portal):
    assert (world.citizen, world.helper) == (portal.people.mother, portal.people.son)
    return await world.deliver_letter()


@pytest.fixture
async def box(world):
    return await world.grant_machtiging()


@pytest.fixture
async def friend(world):
    """Another person, who helps and is helped."""
    async with world.sessions.begin() as session:
        return await add_person(session, Bsn("999990044"))


@pytest.fixture
async def son(portal):
    return await portal.son()


def address(box, letter, below="/notitie"):
    return f"{ISSUER}/ik-help/{box}/brieven/{letter}{below}"


async def open_form(browser, box, letter):
    return (await browser.open_page(address(box, letter))).find_form("/notitie")


async def write(browser, box, letter, words=WORDS, *, expected_status=200):
    form = await open_form(browser, box, letter)
    return await browser.submit_form(form, {"tekst": words}, expected_status=expected_status)


# What is allowed


async def test_note_is_shown_to_helper_and_to_citizen_beside_the_letter(world, portal, son, box, letter):
    page = await write(son, box, letter)
    assert "Uw notitie is bewaard." in page.text
    assert WORDS in page.text
    mother = await portal.mother()
    page = await mother.open_page(f"{ISSUER}/brieven/{letter}")
    assert WORDS in page.text
    assert "Bram Voorbeeld, " in page.text
    listed = await mother.open_page(f"{ISSUER}/helpers/{box}/notities")
    assert WORDS in listed.text
    assert f"/brieven/{letter}" in {href for href, _ in listed.links}
    assert (await BERICHTEN.read_one(world)).read_at is not None


async def test_note_leaves_the_mark_of_the_citizen_alone(world, son, box, letter):
    await write(son, box, letter)
    assert (await BERICHTEN.read_one(world)).read_at is None


async def test_note_is_journalled_without_its_words(world, portal, son, box, letter):
    await write(son, box, letter)
    columns = ("actor_id", "for_person_id", "machtiging_id", "capacity", "outcome", "object_kind", "object_id")
    [line] = await JOURNAL_INTAKE.read(world, *columns, "facts", act=WRITING)
    assert tuple(line)[:7] == (world.helper, world.citizen, box, "relative", "allowed", "bericht", letter)
    assert WORDS not in await JOURNAL_INTAKE.dump(world)
    page = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert "schreef een notitie bij een brief van UWV" in page.text


async def test_note_is_stored_encrypted(world, son, box, letter):
    await write(son, box, letter)
    assert WORDS not in await HELPER_NOTES.dump(world)
    assert (await HELPER_NOTES.read_one(world)).author_id == world.helper


async def test_note_sent_twice_is_one_note_and_one_journal_line(world, son, box, letter):
    form = await open_form(son, box, letter)
    for _ in range(2):
        page = await son.submit_form(form, {"tekst": WORDS})
        assert "Uw notitie is bewaard." in page.text
    assert await HELPER_NOTES.count(world) == 1
    assert await world.reasons(WRITING) == ["toegestaan"]
    await write(son, box, letter)
    assert await HELPER_NOTES.count(world) == 2


async def test_note_sent_twice_at_once_is_one_note(world, portal, son, box, letter):
    form = await open_form(son, box, letter)
    other = await portal.son()
    other.cookies, other.url = {origin: dict(jar) for origin, jar in son.cookies.items()}, son.url
    await asyncio.gather(*(one.submit_form(form, {"tekst": WORDS}) for one in (son, other)))
    assert await HELPER_NOTES.count(world) == 1
    assert await world.reasons(WRITING) == ["toegestaan"]


async def test_note_with_markup_and_right_to_left_text_is_shown_as_typed(portal, son, box, letter):
    for words in ('<b>Klaar</b> & "weg" <script>x</script>', "لقد أرسلت هذا النموذج إلى البلدية"):
        await write(son, box, letter, words)
    mother = await portal.mother()
    for browser, url in ((son, address(box, letter, "")), (mother, f"{ISSUER}/brieven/{letter}")):
        source = (await browser._send_request("GET", url, None)).text
        assert "&lt;b&gt;Klaar&lt;/b&gt; &amp;" in source
        assert "<script>x" not in source
        assert '<p dir="auto">لقد أرسلت' in source


async def test_note_taken_back_stays_visible_for_the_citizen_as_taken_back(world, portal, son, box, letter):
    page = await write(son, box, letter)
    form = page.find_form("/intrekken")
    for _ in range(2):
        page = await son.submit_form(form, {})
        assert "U heeft uw notitie teruggenomen." in page.text
    assert await world.reasons(TAKING_BACK) == ["toegestaan"]
    assert not [one for one in page.forms if one.action.endswith("/intrekken")]
    mother = await portal.mother()
    for path in (f"/brieven/{letter}", f"/helpers/{box}/notities"):
        page = await mother.open_page(ISSUER + path)
        assert WORDS in page.text
        assert "Teruggenomen op" in page.text


async def test_notes_of_one_helper_are_listed_in_pages_newest_first(world, portal, son, box):
    for number in range(22):
        await write(son, box, await world.deliver_letter(), f"Regel {number:02}")
        world.clock.advance(timedelta(seconds=1))
    mother = await portal.mother()
    first = await mother.open_page(f"{ISSUER}/helpers/{box}/notities")
    [older] = [href for href, _ in first.links if "voor=" in href]
    second = await mother.open_page(ISSUER + older)
    numbers = [re.findall(r"Regel (\d\d)", page.text) for page in (first, second)]
    assert numbers == [[f"{n:02}" for n in range(21, 1, -1)], ["01", "00"]]


async def test_note_with_a_letter_that_is_gone_is_kept_in_the_list(world, portal, son, box, letter):
    await write(son, box, letter)
    await run(world, "UPDATE bericht SET deleted_at = now()")
    page = await (await portal.mother()).open_page(f"{ISSUER}/helpers/{box}/notities")
    assert WORDS in page.text
    assert "deze brief is weg" in page.text
    assert f"/brieven/{letter}" not in {href for href, _ in page.links}


async def test_note_form_and_its_faults_are_in_english_too(portal, box, letter):
    helper = await open_helper_session(portal, portal.people.son, box)
    helper.headers["Accept-Language"] = "en"
    assert "What did you do for Ans Voorbeeld?" in (await helper.request(helper.path(letter) + "/notitie")).text


# What is refused


async def run(world, statement, **values):
    async with world.sessions.begin() as session:
        await session.execute(text(statement), values)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "Schrijf op wat u heeft gedaan."),
        (" \n\t ", "Schrijf op wat u heeft gedaan."),
        ("a" * 2000, "300"),
        ("klaar \u202eomgekeerd", "gewone letters"),
    ],
)
async def test_note_with_a_fault_is_asked_again_with_everything_kept(world, son, box, letter, words, sentence):
    page = await write(son, box, letter, words, expected_status=400)
    assert sentence in page.text
    assert page.find_form("/notitie").values["tekst"] == words.strip()
    assert await HELPER_NOTES.count(world) == 0
    assert await world.reasons(WRITING) == []
    page = await son.submit_form(page.find_form("/notitie"), {"tekst": WORDS})
    assert "Uw notitie is bewaard." in page.text


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ("revoke", 403, "machtiging_beeindigd"),
        ("pause", 403, "machtiging_gepauzeerd"),
        ("stop", 403, "noodstop"),
        ("delete", 404, "bericht_bestaat_niet"),
    ],
)
@pytest.mark.parametrize("act", [WRITING, TAKING_BACK])
async def test_note_is_refused_once_the_letter_may_not_be_read(world, son, box, letter, change, status, reason, act):
    written = await write(son, box, letter)
    form = written.find_form("/intrekken") if act == TAKING_BACK else await open_form(son, box, letter)
    before = await HELPER_NOTES.read(world)
    if change == "stop":
        async with world.sessions.begin() as session:
            await start_emergency_stop(session, world.citizen, at=world.clock.now())
    elif change == "delete":
        await run(world, "UPDATE bericht SET deleted_at = now()")
    else:
        await getattr(world, change)(box)
    page = await son.submit_form(form, {"tekst": "Nog iets"}, expected_status=status)
    assert await HELPER_NOTES.read(world) == before
    assert (await world.reasons(act))[-1] == reason
    lines = await JOURNAL_INTAKE.read(world, "outcome", "actor_id", act=act, reason=reason)
    assert [tuple(line) for line in lines] == [("refused", world.helper)]
    if status == 403 and act == WRITING:
        assert "Nog iets" in page.text


@pytest.mark.parametrize("below", ["/notitie", f"/notitie/{NO_ID}/intrekken"])
async def test_idor_note_with_a_letter_or_machtiging_of_another_is_refused(world, portal, son, box, letter, below):
    """Letters outside the scope, of another or absent; a machtiging of another, or none."""
    own = await open_form(son, box, letter)
    narrow = await world.grant_machtiging(afzenders=[SVB])
    foreign = await world.deliver_letter(ontvanger={"type": "BSN", "waarde": "999990044"})
    given = await world.grant_machtiging(vertegenwoordigde_id=world.helper, gemachtigde_id=world.citizen)
    values = {CSRF_FIELD: own.values[CSRF_FIELD], "tekst": WORDS, "sleutel": own.values["sleutel"]}
    places = [(narrow, letter), (box, foreign), (box, uuid7()), (given, letter), (uuid7(), letter), ("nul", letter)]
    act = TAKING_BACK if below.endswith("intrekken") else WRITING
    for machtiging_id, letter_id in places:
        own.action = address(machtiging_id, letter_id, below)
        page = await son.submit_form(own, values, expected_status=404)
        assert "Ans Voorbeeld" not in page.text
    assert await HELPER_NOTES.count(world) == 0
    assert set(await world.reasons(act)) == {
        *("afzender_niet_afgesproken", "bericht_van_ander", "bericht_bestaat_niet", "machtiging_niet_van_u"),
    }


async def test_note_form_of_a_letter_that_may_not_be_read_shows_nothing(world, portal, son, letter):
    narrow = await world.grant_machtiging(afzenders=[SVB])
    page = await son.open_page(address(narrow, letter), expected_status=404)
    assert "UWV" not in page.text
    assert await world.reasons("bericht:lezen") == ["afzender_niet_afgesproken"]


async def test_idor_note_of_another_helper_cannot_be_taken_back_and_is_not_shown(
    world, portal, friend, son, box, letter
):
    await write(son, box, letter)
    form = (await son.open_page(address(box, letter, ""))).find_form("/intrekken")
    other = await world.grant_machtiging(gemachtigde_id=friend)
    browser = await portal.browser_of(friend)
    page = await browser.open_page(address(other, letter, ""))
    assert WORDS not in page.text
    own = await open_form(browser, other, letter)
    own.action = form.action.replace(str(box), str(other))
    page = await browser.submit_form(own, {}, expected_status=404)
    assert "Deze notitie kennen wij niet." in page.text
    assert (await HELPER_NOTES.read_one(world)).retracted_at is None


@pytest.mark.parametrize("below", ["/notitie", "/intrekken"])
async def test_csrf_note_without_token_changes_nothing(world, son, box, letter, below):
    page = await write(son, box, letter)
    form = page.find_form("/intrekken") if below == "/intrekken" else await open_form(son, box, letter)
    before = await HELPER_NOTES.read(world)
    await son.submit_form(form, {CSRF_FIELD: "vals", "tekst": WORDS}, expected_status=403)
    assert await HELPER_NOTES.read(world) == before


async def test_notes_with_one_letter_are_limited_and_the_refusal_is_journalled(world, son, box, letter, monkeypatch):
    for number in range(notes.MAX_NOTES_PER_LETTER):
        await write(son, box, letter, f"Regel {number}")
    page = await write(son, box, letter, expected_status=409)
    assert get_sentence("te_veel_notities", number=notes.MAX_NOTES_PER_LETTER) in page.text
    assert page.find_form("/notitie").values["tekst"] == WORDS
    assert await HELPER_NOTES.count(world) == notes.MAX_NOTES_PER_LETTER
    assert (await world.reasons(WRITING))[-1] == "te_veel_notities"


async def test_note_needs_the_act_of_reading(world, son, letter):
    box = await world.grant_machtiging(acts=[Act.LIST.value])
    await son.open_page(address(box, letter), expected_status=403)
    assert await world.reasons("bericht:lezen") == ["handeling_niet_toegestaan"]


async def test_note_with_a_sensitive_letter_needs_the_level_of_reading(world, portal, box):
    sensitive = await world.deliver_letter(oin=SVB, dienst="pgb-trekkingsrecht")
    for level, is_allowed in ((Assurance.LOW, False), (Assurance.SUBSTANTIAL, True)):
        helper = await open_helper_session(portal, world.helper, box, level)
        answer = await helper.request(helper.path(sensitive) + "/notitie")
        assert (answer.status_code == 200) is is_allowed
    assert await world.reasons("bericht:lezen") == ["niveau_te_laag", "toegestaan"]


async def test_login_for_another_organisation_writes_no_note(world, portal, letter):
    box = await world.grant_machtiging(KVK, capacity="professional")
    employee = await portal.browser_of(world.helper, kvk=KVK)
    form = await open_form(employee, box, letter)
    await (private := await portal.son()).open_page(address(box, letter), expected_status=403)
    form.values[CSRF_FIELD] = (await private.open_page(ISSUER + "/ik-help/code")).forms[0].values[CSRF_FIELD]
    await private.submit_form(form, {"tekst": WORDS}, expected_status=403)
    assert await HELPER_NOTES.count(world) == 0
    assert await world.reasons(WRITING) == ["andere_organisatie"]


@pytest.mark.parametrize("column", ["author_id", "letter_id", "machtiging_id", "written_at"])
async def test_note_moved_in_the_database_is_not_shown(
    world, portal, friend, son, box, letter, superuser_connection, column
):
    await write(son, box, letter)
    other = {
        "author_id": friend,
        "letter_id": await world.deliver_letter(),
        "machtiging_id": await world.grant_machtiging(),
        "written_at": world.clock.now() - timedelta(days=1),
    }
    await superuser_connection.execute(f"UPDATE helper_note SET {column} = $1", other[column])
    read_at = other["letter_id"] if column == "letter_id" else letter
    page = await (await portal.mother()).open_page(f"{ISSUER}/brieven/{read_at}")
    assert WORDS not in page.text
    assert "Wij kunnen deze notitie niet laten zien." in page.text


async def test_service_can_change_nothing_of_a_note_but_its_taking_back(world, son, box, letter):
    await write(son, box, letter)
    for statement in ("DELETE FROM helper_note", "UPDATE helper_note SET text_sealed = 'x'"):
        with pytest.raises(Exception, match="permission denied"):
            await run(world, statement)


@pytest.mark.parametrize("path", ["/helpers/{}/notities", "/helpers/{}/notities?voor=2026-01-01T00:00:00Z&na={}"])
async def test_idor_notes_of_a_machtiging_that_another_gave_are_not_shown(portal, friend, son, box, letter, path):
    await write(son, box, letter)
    for browser in (son, await portal.browser_of(friend)):
        await browser.open_page(ISSUER + path.format(box, uuid7()), expected_status=404)


@pytest.mark.parametrize("cursor", ["voor=gisteren&na=1", "voor=0001-01-01T00:00:00Z&na=" + NO_ID, "na=x"])
async def test_notes_page_with_a_malformed_cursor_is_rejected(portal, box, cursor):
    mother = await portal.mother()
    await mother.open_page(f"{ISSUER}/helpers/{box}/notities?{cursor}", expected_status=400)


async def test_note_under_another_machtiging_stands_in_its_own_list(world, portal, son, box, letter):
    other = await world.grant_machtiging(afzenders=[UWV])
    await write(son, other, letter, "Onder de tweede")
    mother = await portal.mother()
    assert "Onder de tweede" not in (await mother.open_page(f"{ISSUER}/helpers/{box}/notities")).text
    assert "Onder de tweede" in (await mother.open_page(f"{ISSUER}/helpers/{other}/notities")).text
