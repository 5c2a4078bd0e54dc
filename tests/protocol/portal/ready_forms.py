"""Each form of the portal, filled in by a person and ready to be sent."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import HtmlForm
from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.rules import Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import uuid7
from machtiging.kernel.period import Period
from machtiging.organisations.queries import ORGANISATION
from machtiging.organisations.tables import SEALED_TEAM
from machtiging.storage.row_mac import seal_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.organisations import KVK, add_recognised_organisation
from tests.builders.people import ISSUER
from tests.builders.portal import (
    ACCEPT,
    CHECK,
    OFFER,
    Portal,
    accept_code,
    enter_code,
    fill_offer,
    make_offer,
    make_step_form,
)
from tests.protocol.letters.box import fill_box
from tests.protocol.portal.help_requests import (
    CODE_FORM,
    NEW_REQUEST,
    REQUEST_STEPS,
    fill_request,
    find_answer_form,
    make_request,
    make_request_form,
    type_code,
)
from tests.protocol.verification.check_desk import make_code

BELASTINGDIENST = find_catalogue_oin("Belastingdienst")
CLIENTS = "/werk/clienten"
# The forms below these are of the helper, the son; the others of the giver, the mother.
OF_HELPER = ("/ik-help", "/werk")


@dataclass
class ReadyForm:
    """A form on the screen of a browser, with what was filled in. `machtiging` and `letter`: what it is about."""

    browser: Browser
    form: HtmlForm
    values: Mapping[str, Any]
    machtiging: str = ""
    letter: UUID | None = None

    @property
    def sent(self) -> dict[str, Any]:
        """All fields that the browser sends."""
        return {**self.form.values, **self.values}

    @property
    def path(self) -> str:
        """The path that the form is sent to."""
        return urlsplit(self.form.action).path

    async def press(self, **changes: Any) -> Any:
        """Send the form; returns the answer, without following it."""
        sent = {name: value for name, value in (self.sent | changes).items() if value is not None}
        self.browser.url = self.browser.url or ISSUER
        answer = await self.browser._send_request("POST", ISSUER + self.path, sent)
        self.browser._store_cookies(ISSUER + self.path, answer)
        return answer

    def in_browser(self, browser: Browser, csrf: str) -> ReadyForm:
        """The same form in the browser of somebody else, with the token of that session."""
        form = copy.deepcopy(self.form)
        form.values["csrf"] = csrf
        browser.url = self.browser.url
        return ReadyForm(browser, form, self.values, self.machtiging, self.letter)


async def _open(browser: Browser, page: str, ending: str, values: Mapping[str, Any], **about: Any) -> ReadyForm:
    return ReadyForm(browser, (await browser.open_page(ISSUER + page)).find_form(ending), values, **about)


async def _agree(portal: Portal) -> tuple[Browser, Browser, str]:
    giver, helper = await portal.mother(), await portal.son()
    await accept_code(helper, await make_offer(giver))
    return giver, helper, urlsplit(helper.url).path.split("/")[2]


def _for_helper(page: str, ending: str, values: Mapping[str, Any]) -> Callable[[Portal, Any], Awaitable[ReadyForm]]:
    """Make the form of the giver on the page of a machtiging that was accepted."""

    async def prepare(portal: Portal, world: Any) -> ReadyForm:
        giver, _, machtiging = await _agree(portal)
        return await _open(giver, f"/helpers/{machtiging}{page}", ending, values, machtiging=machtiging)

    return prepare


def _for_letter(page: str, ending: str, values: Mapping[str, Any]) -> Callable[[Portal, Any], Awaitable[ReadyForm]]:
    """Make the form on a page of a letter."""

    async def prepare(portal: Portal, world: Any) -> ReadyForm:
        (letter,) = await fill_box(world, portal.people.mother, ["Brief"])
        return await _open(await portal.mother(), f"/brieven/{letter}{page}", ending, values, letter=letter)

    return prepare


def _for_page(page: str, ending: str, values: Mapping[str, Any]) -> Callable[[Portal, Any], Awaitable[ReadyForm]]:
    """Make the form on a page of the citizen."""

    async def prepare(portal: Portal, world: Any) -> ReadyForm:
        return await _open(await portal.mother(), page, ending, values)

    return prepare


async def _mark_read(portal: Portal, world: Any) -> ReadyForm:
    ready = await _for_letter("", "/ongelezen", {})(portal, world)
    page = await ready.browser.submit_form(ready.form, {})
    return ReadyForm(ready.browser, page.find_form("/gelezen"), {}, letter=ready.letter)


async def _share(portal: Portal, world: Any) -> ReadyForm:
    ready = await _for_letter("/delen", "/delen", {"naam": "Bram", "soort": "relative"})(portal, world)
    page = await ready.browser.submit_form(ready.form, ready.values)
    return ReadyForm(ready.browser, page.find_form("/delen"), {"akkoord": "ja"}, letter=ready.letter)


async def _make_offer(portal: Portal, world: Any) -> ReadyForm:
    browser = await portal.mother()
    return ReadyForm(browser, (await fill_offer(browser)).find_form(CHECK), {"akkoord": "ja"})


async def _resume(portal: Portal, world: Any) -> ReadyForm:
    ready = await _for_helper("", "/pauzeren", {})(portal, world)
    page = await ready.browser.submit_form(ready.form, {})
    return ReadyForm(ready.browser, page.find_form("/hervatten"), {}, ready.machtiging)


async def _renew_code(portal: Portal, world: Any) -> ReadyForm:
    giver = await portal.mother()
    await make_offer(giver)
    page = await giver.open_page(ISSUER + "/helpers")
    where = next(href for href, _ in page.links if href.count("-") == 4)
    return await _open(giver, where, "/nieuwe-code", {}, machtiging=where.rpartition("/")[2])


async def _give_back(portal: Portal, world: Any, root: str = "/ik-help") -> ReadyForm:
    _, helper, machtiging = await _agree(portal)
    return await _open(helper, f"{root}/{machtiging}/teruggeven", "/teruggeven", {}, machtiging=machtiging)


async def _write_note(portal: Portal, world: Any, root: str = "/ik-help") -> ReadyForm:
    machtiging = str(await world.grant_machtiging())
    (letter,) = await fill_box(world, portal.people.mother, ["Brief"])
    path = f"{root}/{machtiging}/brieven/{letter}/notitie"
    about = {"machtiging": machtiging, "letter": letter}
    return await _open(await portal.son(), path, "/notitie", {"tekst": "Ik belde de SVB."}, **about)


async def _take_back_note(portal: Portal, world: Any, root: str = "/ik-help") -> ReadyForm:
    ready = await _write_note(portal, world, root)
    page = await ready.browser.submit_form(ready.form, ready.values)
    return ReadyForm(ready.browser, page.find_form("/intrekken"), {}, ready.machtiging, ready.letter)


async def _fill_code(portal: Portal, world: Any) -> ReadyForm:
    code = await make_offer(await portal.mother())
    helper = await portal.son()
    shown = await enter_code(helper, code)
    typed = {name: value for name, value in shown.find_form("/besluit").values.items() if name != "csrf"}
    return await _open(helper, ACCEPT, ACCEPT, typed)


async def _decide(portal: Portal, world: Any) -> ReadyForm:
    helper = await portal.son()
    shown = await enter_code(helper, await make_offer(await portal.mother()))
    return ReadyForm(helper, shown.find_form("/besluit"), {"besluit": "aannemen"})


async def _lift_stop(portal: Portal, world: Any) -> ReadyForm:
    ready = await _for_page("/helpers/stop-alles", "/stop-alles", {})(portal, world)
    page = await ready.browser.submit_form(ready.form, {})
    return ReadyForm(ready.browser, page.find_form("/opheffen"), {})


async def _end_all(portal: Portal, world: Any) -> ReadyForm:
    giver, _, machtiging = await _agree(portal)
    return await _open(giver, "/helpers/stop-alles/voorgoed", "/voorgoed", {}, machtiging=machtiging)


async def _make_request(portal: Portal, world: Any) -> ReadyForm:
    helper = await portal.son()
    return ReadyForm(helper, (await fill_request(helper)).find_form(CHECK), {})


async def _withdraw_request(portal: Portal, world: Any) -> ReadyForm:
    helper = await portal.son()
    await make_request(helper)
    return ReadyForm(helper, helper.page.find_form("/intrekken"), {})


async def _withdraw_check_code(portal: Portal, world: Any) -> ReadyForm:
    giver, _, machtiging = await _agree(portal)
    page = await make_code(giver, UUID(machtiging), afzender=BELASTINGDIENST)
    return ReadyForm(giver, page.find_form("/intrekken"), {})


async def _type_request_code(portal: Portal, world: Any) -> ReadyForm:
    code = await make_request(await portal.son())
    return await _open(await portal.mother(), CODE_FORM, CODE_FORM, {"code": code})


async def _answer_request(portal: Portal, world: Any) -> ReadyForm:
    giver = await portal.mother()
    page = await type_code(giver, await make_request(await portal.son()))
    return ReadyForm(giver, find_answer_form(page), {"besluit": "minder", "minder": "belasting"})


async def _ask_first(portal: Portal, world: Any) -> ReadyForm:
    typed = {name: make_request_form()[name] for name in REQUEST_STEPS["wie"]}
    return await _open(await portal.son(), NEW_REQUEST, NEW_REQUEST, typed)


async def _grant_to_organisation(portal: Portal, **changes: Any) -> str:
    """A machtiging of mother to an organisation where the son reads for her."""
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await add_recognised_organisation(session, KVK, portal.people.son)
    offered = await portal.world.offer(capacity=Capacity.PROFESSIONAL, **changes)
    helper = CodeHolder(portal.people.son, Assurance.SUBSTANTIAL, KVK)
    return str((await portal.world.accept(offered.code, helper=helper, at=portal.clock.now())).parent_id)


async def _refuse_renewal(portal: Portal, world: Any) -> ReadyForm:
    root = await _grant_to_organisation(portal, period=Period(NOON, NOON + timedelta(days=20)))
    worker = await portal.son(kvk=KVK)
    await worker.submit_form((await worker.open_page(ISSUER + "/werk/verlengen")).find_form("/werk/verlengen"), {})
    return await _open(await portal.mother(), f"/helpers/{root}", "/verlengen/nee", {}, machtiging=root)


async def _choose_reader(portal: Portal, world: Any) -> ReadyForm:
    root = await _grant_to_organisation(portal)
    path = f"/helpers/{root}/medewerkers"
    page = await (await portal.mother()).open_page(ISSUER + path)
    only = next(value for value in page.find_form(path).choices["wie"] if value != "iedereen")
    return await _open(await portal.mother(), path, path, {"wie": only}, machtiging=root)


async def _refuse_team(portal: Portal, world: Any) -> ReadyForm:
    root, team = await _grant_to_organisation(portal), str(uuid7())
    async with unit_of_work(portal.app.state.services.sessions) as session:
        (mine,) = await session.scalars(select(ORGANISATION.c.id).where(ORGANISATION.c.kvk == KVK))
        row = seal_row(session, SEALED_TEAM, {"id": UUID(team), "organisation_id": mine, "name": "Noord"})
        await session.execute(SEALED_TEAM.table.insert().values(row))
    path = f"/helpers/{root}/teams"
    return await _open(await portal.mother(), path, path, {"niet": [team]}, machtiging=root)


# The route of each form, and what prepares it.
READY_FORMS: Mapping[str, Callable[[Portal, Any], Awaitable[ReadyForm]]] = {
    "/aan-de-balie": _for_page("/aan-de-balie", "/aan-de-balie", {}),
    "/brieven/{bericht_id}/delen": _share,
    "/brieven/{bericht_id}/gelezen": _mark_read,
    "/brieven/{bericht_id}/map": _for_letter("/map", "/map", {"map": "nieuw", "naam": "Belasting 2026"}),
    "/brieven/{bericht_id}/ongelezen": _for_letter("", "/ongelezen", {}),
    "/controleren/{code_id}/intrekken": _withdraw_check_code,
    "/helpers/nieuw": _for_page(OFFER, OFFER, make_step_form("wie")),
    "/helpers/nieuw/{concept_id}/{stap}": _make_offer,
    "/helpers/stop-alles": _for_page("/helpers/stop-alles", "/stop-alles", {}),
    "/helpers/stop-alles/opheffen": _lift_stop,
    "/helpers/stop-alles/voorgoed": _end_all,
    "/helpers/vraag": _type_request_code,
    "/helpers/vraag/{vraag_id}": _answer_request,
    "/helpers/{machtiging_id}/beperken": _for_helper("/beperken", "/beperken", {"zonder": ["bijlagen"]}),
    "/helpers/{machtiging_id}/hervatten": _resume,
    "/helpers/{machtiging_id}/intrekken": _for_helper("/intrekken", "/intrekken", {}),
    "/helpers/{machtiging_id}/medewerkers": _choose_reader,
    "/helpers/{machtiging_id}/teams": _refuse_team,
    "/helpers/{machtiging_id}/nieuwe-code": _renew_code,
    "/helpers/{machtiging_id}/pauzeren": _for_helper("", "/pauzeren", {}),
    "/helpers/{machtiging_id}/verlengen/nee": _refuse_renewal,
    "/helpers/{machtiging_id}/verlengen": _for_helper("/verlengen", "/verlengen", {"tot": "2027-05-22"}),
    "/ik-help/vragen/nieuw": _ask_first,
    "/ik-help/vragen/nieuw/{concept_id}/{stap}": _make_request,
    "/ik-help/vragen/{vraag_id}/intrekken": _withdraw_request,
    "/ik-help/code": _fill_code,
    "/ik-help/code/besluit": _decide,
    "/ik-help/{machtigingId}/brieven/{berichtId}/notitie": _write_note,
    "/ik-help/{machtigingId}/brieven/{berichtId}/notitie/{note_id}/intrekken": _take_back_note,
    "/ik-help/{machtigingId}/teruggeven": _give_back,
    "/werk/clienten/{machtigingId}/brieven/{berichtId}/notitie": partial(_write_note, root=CLIENTS),
    "/werk/clienten/{machtigingId}/brieven/{berichtId}/notitie/{note_id}/intrekken": partial(
        _take_back_note, root=CLIENTS
    ),
    "/werk/clienten/{machtigingId}/teruggeven": partial(_give_back, root=CLIENTS),
}
