"""Each form with input that no page offers, of another person, or of what is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.builders.people import ISSUER
from tests.protocol.portal.ready_forms import OF_HELPER, READY_FORMS
from tests.protocol.portal.test_forms_walk import read_rows

__all__ = ["read_rows"]
pytestmark = pytest.mark.whole
MARKUP = '<script>alert(1)</script><b onclick="x">'
# What somebody sends in place of every answer. None: the field is not sent.
BAD_INPUT: Mapping[str, Any] = {
    "nothing": None,
    "empty": "",
    "spaces": "   ",
    "much": "a" * 5000,
    "a name of 200 characters": "Jo " * 66 + "ab",
    "many values": ["x"] * 150,
    "HTML": MARKUP,
    "right-to-left text": "\u202eמשה\u202c \u2066x",
    "control characters": "a\x00b\x1b[31m\r\nc",
    "broken Unicode": "\ufffd\ufffe\U000e0001",
    "another century": "9999",
    "year zero": "0",
    "a negative number": "-1",
    "a telephone number": "06 12345678",
    "an unknown value": "bestaat-niet",
    "SQL": "' OR 1=1; --",
    "a template": "{{ 7*7 }}{% raw %}",
}
KEPT_FIELDS = {"csrf"}


@pytest.mark.parametrize("route", sorted(READY_FORMS))
async def test_form_with_bad_input_is_answered_without_an_error_of_ours(portal, world, route):
    ready = await READY_FORMS[route](portal, world)
    fields = set(ready.sent) | set(ready.form.choices)
    wrong = []
    for kind, value in BAD_INPUT.items():
        for bad in (fields - KEPT_FIELDS, *({field} for field in sorted(fields - KEPT_FIELDS))):
            answer = await ready.press(**dict.fromkeys(bad, value))
            if answer.status_code >= 500 or MARKUP in answer.text:
                wrong.append((kind, sorted(bad), answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("route", sorted(route for route in READY_FORMS if "{" in route))
async def test_idor_form_about_what_another_person_has_changes_nothing(portal, world, read_rows, route):
    ready = await READY_FORMS[route](portal, world)
    before = await read_rows()
    stranger = await portal.mother() if route.startswith(OF_HELPER) else await portal.son()
    page = await stranger.open_page(ISSUER + "/")
    answer = await ready.in_browser(stranger, page.find_form("/uitloggen").values["csrf"]).press()
    assert answer.status_code == 404
    assert await read_rows() == before


@pytest.mark.parametrize("route", sorted(route for route in READY_FORMS if "{machtiging" in route))
async def test_form_about_a_machtiging_that_ended_meanwhile_changes_nothing(portal, world, read_rows, route):
    ready = await READY_FORMS[route](portal, world)
    mother = await portal.mother()
    asked = await mother.open_page(f"{ISSUER}/helpers/{ready.machtiging}/intrekken")
    await mother.submit_form(asked.find_form("/intrekken"), {})
    ended = await read_rows()
    answer = await ready.press()
    # Who stops what was stopped sees that it is stopped; a helper may write nothing any more.
    expected = 303 if route.endswith("}/intrekken") and "notitie" not in route else 403 if "notitie" in route else 409
    assert answer.status_code == expected
    assert await read_rows() == ended


@pytest.mark.parametrize("route", sorted(route for route in READY_FORMS if "{bericht" in route))
async def test_form_about_a_letter_that_is_gone_meanwhile_is_not_found(portal, world, superuser_connection, route):
    ready = await READY_FORMS[route](portal, world)
    await superuser_connection.execute("SET session_replication_role = replica")
    await superuser_connection.execute("DELETE FROM bericht WHERE id = $1", ready.letter)
    assert (await ready.press()).status_code == 404
