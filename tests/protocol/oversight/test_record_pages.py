"""The pages `/beheer/dossiers`: ask, confirm with a second person, read without letters."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.access.oversight.record_opening import MAX_OPEN
from machtiging.access.oversight.tables import RecordOpening
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.identity.tables import Person
from machtiging.simulators.personas import PERSONAS
from tests.builders.rows import JOURNAL_INTAKE, NOTIFICATIONS, TableReader

PATH = "/beheer/dossiers"
SOMEBODY = "123456782"
OPENINGS = TableReader(RecordOpening)


@pytest.fixture
async def officer(service):
    return await service.logged_in("privacyfunctionaris")


@pytest.fixture
async def her_bsn(service):
    """The BSN of a citizen who has logged in."""
    await service.logged_in("vertegenwoordigde")
    return PERSONAS["vertegenwoordigde"].bsn


async def send(browser, path: str, **fields: str):
    page = (await browser.get("/uitloggen")).text
    token = re.search(r'name="csrf" value="([^"]+)"', page).group(1)
    return await browser.post(path, {"csrf": token, **fields})


async def ask(browser, number: str, **changes: str):
    form = {"bsn": number, "doel": "klacht", "zaaknummer": "zaak-17"} | changes
    return await send(browser, f"{PATH}/nieuw", **form)


async def find_waiting(browser) -> str:
    """The path of the confirmation on the page of a colleague."""
    return re.search(rf'action="({PATH}/[0-9a-f-]+/bevestigen)"', (await browser.get(PATH)).text).group(1)


async def test_request_beyond_the_limit_of_one_asker_is_refused(database, her_bsn, auditor, officer):
    for number in range(MAX_OPEN):
        assert (await ask(auditor, her_bsn, zaaknummer=f"zaak-{number}")).status_code == 303

    refused = await ask(auditor, her_bsn)

    assert refused.status_code == 409
    assert "Er staan al 10 verzoeken van u open." in refused.text
    assert (await ask(officer, her_bsn)).status_code == 303
    lines = await JOURNAL_INTAKE.read(database, act="dossier:gevraagd", outcome="refused")
    assert [line.reason for line in lines] == ["te_veel_inzageverzoeken"]


async def test_record_is_asked_confirmed_and_read(database, her_bsn, auditor, officer):
    assert (await auditor.get(f"{PATH}/nieuw")).status_code == 200
    assert (await ask(auditor, her_bsn)).status_code == 303
    confirmation = await find_waiting(officer)
    assert (await send(officer, confirmation)).status_code == 303

    page = await auditor.get(confirmation.replace("/bevestigen", "/lezen"))

    assert page.status_code == 200
    assert "dossier:bevestigd" in page.text
    assert her_bsn not in page.text
    assert [row.kind for row in await NOTIFICATIONS.read(database)] == ["dossier_geopend"]


async def test_person_sees_in_the_history_which_role_opened_the_record(service, her_bsn, auditor, officer):
    await ask(auditor, her_bsn)
    confirmation = await find_waiting(officer)
    await send(officer, confirmation)
    await auditor.get(confirmation.replace("/bevestigen", "/lezen"))

    history = (await (await service.logged_in("vertegenwoordigde")).get("/wie-keek-mee")).text

    assert "Een auditor" in history
    assert "las uw dossier" in history
    assert "Willemijn" not in history


async def test_answer_for_unknown_bsn_is_the_same(her_bsn, auditor):
    known, unknown = await ask(auditor, her_bsn), await ask(auditor, SOMEBODY)

    assert (known.status_code, known.headers["location"]) == (unknown.status_code, unknown.headers["location"])
    cards = re.findall(r"ZAAK-17.*?</dl>", (await auditor.get(PATH)).text, re.DOTALL)
    assert len(cards) == 2
    assert cards[0] == cards[1]


async def test_own_request_has_no_button_and_is_refused(her_bsn, auditor, officer):
    await ask(auditor, her_bsn)
    assert "/bevestigen" not in (await auditor.get(PATH)).text

    refused = await send(auditor, await find_waiting(officer))

    assert refused.status_code == 403
    assert "Een andere persoon moet het bevestigen" in refused.text


async def test_record_before_confirmation_and_after_a_day_is_closed(clock, her_bsn, service, auditor, officer):
    await ask(auditor, her_bsn)
    confirmation = await find_waiting(officer)
    record = confirmation.replace("/bevestigen", "/lezen")
    assert (await auditor.get(record)).status_code == 409
    await send(officer, confirmation)
    assert (await send(officer, confirmation)).status_code == 409
    assert (await officer.get(record)).status_code == 404

    clock.advance(timedelta(hours=24))

    again = await service.logged_in("auditor")
    assert (await again.get(record)).status_code == 409


@pytest.mark.parametrize(
    ("field", "value"),
    [("bsn", ""), ("bsn", "123456789"), ("bsn", "x"), ("doel", ""), ("doel", "nieuwsgierig"), ("zaaknummer", "")],
)
async def test_bad_request_is_shown_with_all_that_was_typed(database, auditor, field, value):
    shown = await ask(auditor, SOMEBODY, **{field: value})

    assert shown.status_code == 400
    assert "<title>Fout:" in shown.text
    assert await JOURNAL_INTAKE.read(database, act="dossier:gevraagd") == []


async def test_bsn_in_the_case_number_is_refused(auditor):
    assert (await ask(auditor, SOMEBODY, zaaknummer=f"zaak-{SOMEBODY}")).status_code == 400


@pytest.mark.parametrize("persona", ["naaste", "raadslid", "balie", "beheerder"])
async def test_records_are_closed_to_others_also_to_operators(service, database, persona):
    browser = await service.logged_in(persona)

    for path in (PATH, f"{PATH}/nieuw", f"{PATH}/{uuid4()}/lezen"):
        assert (await browser.get(path)).status_code == 403, path
    assert (await ask(browser, SOMEBODY)).status_code == 403
    assert (await send(browser, f"{PATH}/{uuid4()}/bevestigen")).status_code == 403
    assert await JOURNAL_INTAKE.read(database, act="dossier:gevraagd") == []


async def test_unknown_record_is_not_found(auditor):
    assert (await auditor.get(f"{PATH}/{uuid4()}/lezen")).status_code == 404
    assert (await send(auditor, f"{PATH}/{uuid4()}/bevestigen")).status_code == 404
    assert (await auditor.get(f"{PATH}/geen-nummer/lezen")).status_code in (404, 422)


async def test_form_without_csrf_token_asks_nothing(database, auditor):
    form = {"bsn": SOMEBODY, "doel": "klacht", "zaaknummer": "zaak-17"}

    assert (await auditor.post(f"{PATH}/nieuw", form)).status_code == 403
    assert await JOURNAL_INTAKE.read(database, act="dossier:gevraagd") == []


@pytest.fixture
async def reader(database, clock, service, auditor, officer):
    """A person who read three letters of two people for an organisation. Their id."""
    persons = TableReader(Person)
    before = set(await persons.read_column(database, "id"))
    await service.logged_in("vertegenwoordigde")
    (reader_id,) = set(await persons.read_column(database, "id")) - before
    one, other = sorted(before)[:2]
    async with database.sessions.begin() as session:
        for about in (one, one, other):
            line = NewJournalLine(
                JournalAct.BERICHT_LEZEN,
                JournalOutcome.ALLOWED,
                "toegestaan",
                actor_id=reader_id,
                for_person_id=about,
                on_behalf_of=uuid4(),
                object_kind="bericht",
                object_id=str(uuid4()),
            )
            await record(session, line, at=clock.now())
    return reader_id


async def ask_by_reference(browser, reference, **changes):
    return await send(browser, f"{PATH}/nieuw", **({"verwijzing": str(reference), "zaaknummer": "zaak-9"} | changes))


async def find_reference(database):
    return (await JOURNAL_INTAKE.read(database, act="bericht:lezen"))[-1].id


async def test_record_is_asked_by_the_reference_of_a_row_and_counts_what_was_done_for_others(
    database, reader, auditor, officer
):
    reference = await find_reference(database)
    form = (await auditor.get(f"{PATH}/nieuw?verwijzing={reference}")).text
    assert 'name="bsn"' not in form
    assert 'name="doel"' not in form
    assert (await ask_by_reference(auditor, reference)).status_code == 303
    row = await OPENINGS.read_one(database)
    assert (row.person_id, row.purpose) == (reader, "opvallend_gebruik")
    confirmation = await find_waiting(officer)
    assert (await send(officer, confirmation)).status_code == 303

    page = (await auditor.get(confirmation.replace("/bevestigen", "/lezen"))).text

    assert "Wat deze persoon deed voor anderen" in page
    assert "Aantal keer: 3. Aantal mensen: 2." in page
    for line in await JOURNAL_INTAKE.read(database, act="bericht:lezen"):
        assert str(line.object_id) not in page
        assert str(line.for_person_id) not in page


async def test_request_by_reference_before_confirmation_names_no_person(database, reader, auditor, officer):
    await ask_by_reference(auditor, await find_reference(database))
    lines = await JOURNAL_INTAKE.read(database, act="dossier:gevraagd")
    assert [line.for_person_id for line in lines] == [None]
    assert (await send(auditor, await find_waiting(officer))).status_code == 403


async def test_enumeration_reference_without_a_person_has_the_same_answer(database, reader, auditor, officer):
    true, false = (
        await ask_by_reference(auditor, await find_reference(database)),
        await ask_by_reference(auditor, uuid4()),
    )
    assert (true.status_code, true.headers["location"]) == (false.status_code, false.headers["location"])
    [opening] = [row.id for row in await OPENINGS.read(database) if row.person_id is None]
    assert (await send(officer, f"{PATH}/{opening}/bevestigen")).status_code == 404


@pytest.mark.parametrize("purpose", ["klacht", "vordering", "x"])
async def test_request_by_reference_has_no_other_purpose(database, reader, auditor, purpose):
    await ask_by_reference(auditor, await find_reference(database), doel=purpose, bsn=SOMEBODY)
    assert await OPENINGS.read_column(database, "purpose") == ["opvallend_gebruik"]


async def test_request_by_a_bad_reference_or_without_a_case_number_is_refused(database, reader, auditor):
    assert (await auditor.get(f"{PATH}/nieuw?verwijzing=x")).status_code == 400
    assert (await auditor.get(f"{PATH}/nieuw?verwijzing=")).status_code == 200
    assert (await ask_by_reference(auditor, "x")).status_code == 400
    refused = await ask_by_reference(auditor, await find_reference(database), zaaknummer="")
    assert refused.status_code == 400
    assert 'name="verwijzing"' in refused.text
    assert await OPENINGS.count(database) == 0


async def test_request_by_reference_beyond_the_limit_is_refused_at_the_case_number(database, reader, auditor):
    reference = await find_reference(database)
    for number in range(MAX_OPEN):
        assert (await ask_by_reference(auditor, reference, zaaknummer=f"zaak-{number}")).status_code == 303
    refused = await ask_by_reference(auditor, reference)
    assert refused.status_code == 409
    assert 'href="#zaaknummer"' in refused.text


async def test_record_of_a_citizen_without_acts_for_others_has_no_counts(her_bsn, auditor, officer):
    await ask(auditor, her_bsn)
    confirmation = await find_waiting(officer)
    await send(officer, confirmation)
    page = (await auditor.get(confirmation.replace("/bevestigen", "/lezen"))).text
    assert "Wat deze persoon deed voor anderen" not in page
