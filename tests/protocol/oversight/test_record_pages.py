"""The pages `/beheer/dossiers`: ask, confirm with a second person, read without letters."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from machtiging.access.oversight.record_opening import MAX_OPEN
from machtiging.simulators.personas import PERSONAS
from tests.builders.rows import JOURNAL_INTAKE, NOTIFICATIONS

PATH = "/beheer/dossiers"
SOMEBODY = "123456782"


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
