"""The counter of an agency: its organisation, its employees and the code."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.html import HtmlForm, HtmlPage
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import PersonId
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.machtiging import UWV
from tests.builders.organisations import add_employee, add_organisation
from tests.builders.people import ISSUER, add_person
from tests.builders.portal import Portal

DESK_KVK, OTHER_DESK_KVK = "90000091", "90000092"
WW = "ww-uitkering"


async def open_code_form(browser: Browser, machtiging_id: UUID) -> HtmlForm:
    """Open the form for a code of this machtiging."""
    path = f"/controleren/nieuw/{machtiging_id}"
    return (await browser.open_page(ISSUER + path)).find_form(path)


async def make_code(browser: Browser, machtiging_id: UUID, *, expect: int = 200, **changes: Any) -> HtmlPage:
    """Make a code for UWV at the counter, for a day."""
    form = await open_code_form(browser, machtiging_id)
    sent = {"afzender": UWV, "doel": "balie", "duur": "dag"} | changes
    return await browser.submit_form(form, sent, expected_status=expect)


def find_code(page: HtmlPage) -> str:
    """Find the code on its page."""
    found = re.search(r"\b([0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4})\b", page.text)
    assert found is not None
    return found[1]


async def add_desk(portal: Portal, oin: str = UWV, kvk: str = DESK_KVK) -> UUID:
    """The organisation of an agency, with its KvK number. Returns the id."""
    async with unit_of_work(portal.app.state.services.sessions) as session:
        return await add_organisation(session, kvk, "geen", oin=oin, kind="overheid", name=f"Kantoor {kvk}")


async def add_clerk(
    portal: Portal, desk: UUID, bsn: str = "999993653", name: str = "Karin de Balie", **changes: Any
) -> PersonId:
    """An employee of an agency who may check. Returns the person."""
    async with unit_of_work(portal.app.state.services.sessions) as session:
        person = await add_person(session, Bsn(bsn), name)
        await add_employee(session, desk, person, **({"roles": ["controleur"]} | changes))
        return person


async def check_code(browser: Browser, code: str, *, expect: int = 200, **changes: Any) -> HtmlPage:
    """Type a code at the counter."""
    form = (await browser.open_page(ISSUER + "/controle")).find_form("/controle")
    sent = {"code": code, "dienst": WW, "doel": "balie"} | changes
    return await browser.submit_form(form, sent, expected_status=expect)
