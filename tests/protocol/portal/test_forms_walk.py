"""Each form pressed twice, pressed again after going back, and sent after the session ended.

`test_double_clicks` and `test_kept_forms` have the rules; this is every form.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from machtiging.cli.demo.html import parse_page
from tests.builders.people import ISSUER
from tests.protocol.portal.form_routes import PAGE_OF
from tests.protocol.portal.ready_forms import OF_HELPER, READY_FORMS
from tests.protocol.portal.test_kept_forms import log_in, read_return_path

pytestmark = pytest.mark.whole
# A logged-in page, and forms of apps and counters: `tests/protocol/consent`, `ciba`, `grant_management`.
TESTED_ELSEWHERE = {"/apps/{consent_id}/stoppen", "/authorize", "/blijf-ingelogd", "/meldingen/gelezen", "/verzoeken"}
# Not of mother or son: those of an employee or director in `tests/protocol/organisation_pages` and `work`, of the
# operator in `test_operator_pages`.
TESTED_ELSEWHERE |= {
    path for path in PAGE_OF if path.startswith(("/organisatie", "/bedrijf", "/beheer", "/werk/nieuwe-client"))
}
TESTED_ELSEWHERE |= {
    "/controle",
    "/controleren/nieuw/{machtiging_id}",
    "/uitnodiging",
    "/werk/verlengen",
    "/werk/filters",
    "/werk/filters/{filterId}/verwijderen",
}
# What an act leaves behind: its journal lines, and the rows that it makes or changes.
# A code that is tried, and a meldcode that replaces the former one, are no act.
ACTS = """SELECT act FROM journal_intake WHERE outcome <> 'refused'
  AND act NOT LIKE 'bericht:%' AND act NOT IN ('code:geprobeerd', 'meldcode:gemaakt')"""
STATE = """SELECT 'machtiging ' || state AS row FROM machtiging
  UNION ALL SELECT 'version' FROM agreement
  UNION ALL SELECT 'stop ' || (lifted_at IS NULL)::text FROM emergency_stop
  UNION ALL SELECT 'note ' || (retracted_at IS NULL)::text FROM helper_note
  UNION ALL SELECT 'letter ' || coalesce(folder, '') FROM bericht"""


BUTTONS = {"besluit", "akkoord"}


@pytest.fixture
def read_rows(superuser_connection):
    """Returns how often each act was done, and each state is there."""

    async def read() -> Counter:
        rows = await superuser_connection.fetch(ACTS) + await superuser_connection.fetch(STATE)
        return Counter(row[0] for row in rows)

    return read


def test_every_form_is_walked():
    assert set(READY_FORMS) | TESTED_ELSEWHERE == set(PAGE_OF)


@pytest.mark.parametrize("route", sorted(READY_FORMS))
async def test_form_pressed_twice_and_again_acts_once(portal, world, read_rows, route):
    ready = await READY_FORMS[route](portal, world)
    before = await read_rows()
    answers = await asyncio.gather(*(ready.press() for _ in range(2)))
    once = await read_rows()
    # As after the back button: the page is old, and the same form is sent again.
    answers.append(await ready.press())
    assert [answer.status_code for answer in answers if answer.status_code not in {200, 303, 409}] == []
    assert await read_rows() == once
    assert {row: count for row, count in (once - before).items() if count > 1} == {}


@pytest.mark.parametrize("route", sorted(READY_FORMS))
async def test_form_after_session_end_does_nothing_and_keeps_what_was_typed(portal, world, read_rows, route):
    ready = await READY_FORMS[route](portal, world)
    before = await read_rows()
    person = portal.people.son if route.startswith(OF_HELPER) else portal.people.mother
    portal.clock.advance(portal.app.state.services.session_limits.idle_timeout)
    page = parse_page((answer := await ready.press()).text, ISSUER + ready.path)
    assert answer.status_code == 401
    await log_in(portal, ready.browser, person)
    back = await ready.browser.open_page(ISSUER + read_return_path(page))
    assert await read_rows() - before == Counter()
    # Which button was pressed is not kept: the person presses it again.
    typed = {name: value for name, value in ready.values.items() if name not in BUTTONS and value}
    assert [form for form in back.forms if form.values.items() >= typed.items()] != []
