"""A request for a bundle: what is asked and given stays that of its version."""

from __future__ import annotations

import pytest

from machtiging.agencies.bundles import BundleContent, publish_bundle
from tests.builders.letters import SVB, UWV
from tests.builders.organisations import change_organisation
from tests.builders.people import ISSUER
from tests.builders.rows import AGREEMENTS, HELP_REQUESTS, JOURNAL_INTAKE, MACHTIGINGEN
from tests.protocol.letters.box import fill_box
from tests.protocol.portal.help_requests import answer
from tests.protocol.work.test_new_client import FORM, PATH, log_in, open_as_client

AOW, WW, ANW = f"{SVB}/aow", f"{UWV}/ww-uitkering", f"{SVB}/anw"
ANSWERS = {"voor": "mevrouw De Boer", "doel": "hulp bij de uitkering", "bestaand": "jaar", "gevoelig": "nee"}
ANSWERS |= {"bijlagen": "nee", "duur": "30", "stap": "controle"}


async def publish(office, *diensten, code="uitkering", name="Hulp bij uitkering"):
    async with office.world.sessions.begin() as session:
        content = BundleContent(code, name, frozenset(diensten))
        return await publish_bundle(session, content, at=office.world.clock.now())


@pytest.fixture
async def bundle(office):
    return await publish(office, AOW, WW)


async def fill_form(worker, *, expect=200, **changes):
    form = (await worker.open_page(f"{ISSUER}{FORM}?bundel=uitkering")).find_form(FORM)
    return await worker.submit_form(form, ANSWERS | changes, expected_status=expect)


async def ask(worker):
    check = await fill_form(worker)
    return await worker.submit_form(check.find_form(FORM), {"stap": "maken"})


async def test_bundle_is_offered_and_shown_to_employee_and_client(office, bundle):
    worker = await log_in(office)
    assert "Hulp bij uitkering" in (await worker.open_page(ISSUER + PATH)).text
    page = await ask(worker)
    _client, decision = await open_as_client(office, page)
    for shown in (page.text, decision.text):
        for words in ("Hulp bij uitkering, versie 1", "AOW-pensioen", "WW-uitkering", "Sociale Verzekeringsbank"):
            assert words in shown, words


async def test_agreed_bundle_opens_its_diensten_and_a_later_version_opens_no_more(office, bundle):
    worker = await log_in(office)
    client, decision = await open_as_client(office, await ask(worker))
    await answer(client, decision, "ja")
    root = await MACHTIGINGEN.read_one(office.world, parent_id=None)
    leaf = await MACHTIGINGEN.read_one(office.world, parent_id=root.id)
    agreed = await AGREEMENTS.read_one(office.world, machtiging_id=root.id)
    assert set(agreed.diensten) == {AOW, WW}
    owner = office.people["Anna de Boer"]
    await fill_box(office.world, owner, ["Over de AOW"])
    await fill_box(office.world, owner, ["Over de Anw"], dienst_code="anw", theme="inkomen")
    await publish(office, AOW, WW, ANW)
    shown = (await worker.open_page(f"{ISSUER}/werk/clienten/{leaf.id}/brieven")).text
    assert "Over de AOW" in shown
    assert "Over de Anw" not in shown


async def test_request_for_a_version_that_is_no_longer_the_latest_is_refused(office, bundle):
    worker = await log_in(office)
    check = await fill_form(worker)
    await publish(office, AOW, WW, ANW)
    refused = await worker.submit_form(check.find_form(FORM), {"stap": "maken"}, expected_status=409)
    assert "nieuwe versie" in refused.text
    assert await HELP_REQUESTS.count(office.world) == 0
    lines = await JOURNAL_INTAKE.read(office.world, act="hulpvraag:gesteld")
    assert [(line.outcome, line.reason) for line in lines] == [("refused", "bundel_verouderd")]
    form = await worker.submit_form(refused.find_form(FORM), {"stap": "wijzig"})
    assert "Nabestaandenuitkering" in form.text
    check = await worker.submit_form(form.find_form(FORM), {"stap": "controle"})
    page = await worker.submit_form(check.find_form(FORM), {"stap": "maken"})
    assert "Hulp bij uitkering, versie 2" in page.text


@pytest.mark.parametrize(
    "sent", ["uitkering", "uitkering/0", "uitkering/2", "uitkering/x", "uitkering/²", "uitkering/1/2"]
)
async def test_request_for_an_impossible_version_is_refused(office, bundle, sent):
    worker = await log_in(office)
    check = await fill_form(worker, bundel=sent)
    await worker.submit_form(check.find_form(FORM), {"stap": "maken"}, expected_status=409)
    assert await HELP_REQUESTS.count(office.world) == 0


async def test_unknown_bundle_is_not_found(office, bundle):
    worker = await log_in(office)
    await worker.open_page(f"{ISSUER}{FORM}?bundel=onbekend", expected_status=404)
    await fill_form(worker, expect=404, bundel="onbekend/1")


@pytest.mark.parametrize(
    "ceiling", [{"ceiling_afzenders": [SVB]}, {"ceiling_themes": ["pensioen"]}], ids=["senders", "themes"]
)
async def test_bundle_above_the_ceiling_is_not_offered_and_refused(office, bundle, ceiling):
    worker = await log_in(office)
    async with office.world.sessions.begin() as session:
        await change_organisation(session, office.organisation, **ceiling)
    assert "Hulp bij uitkering" not in (await worker.open_page(ISSUER + PATH)).text
    check = await fill_form(worker)
    await worker.submit_form(check.find_form(FORM), {"stap": "maken"}, expected_status=400)
    assert await HELP_REQUESTS.count(office.world) == 0
