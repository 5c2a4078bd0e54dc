"""An attachment in the portal, saved or opened, behind the guard and strict headers."""

from uuid import uuid4

import pytest

from tests.builders.letters import make_pdf
from tests.builders.people import ISSUER
from tests.builders.rows import BERICHTEN, BIJLAGEN

PDF = make_pdf(3000)
WAYS = pytest.mark.parametrize("query", ["", "?weergave=inline"])


@pytest.fixture
async def paths(world, portal):
    """The path of an attachment, of its letter, and the cookie of its owner."""
    assert world.citizen == portal.people.mother
    letter = await world.deliver_letter(("beschikking é.pdf", PDF, "application/pdf"))
    return f"/brieven/{letter}/bijlagen/{await BIJLAGEN.read_value(world, 'id')}"


async def request_as(portal, browser, path, method="GET"):
    cookies = browser.cookies[ISSUER]
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "Accept": "text/html"}
    return await portal.http.request(method, ISSUER + path, headers=headers)


async def test_attachment_opened_inline_has_strict_headers(portal, paths):
    answer = await request_as(portal, await portal.mother(), paths + "?weergave=inline")
    assert (answer.status_code, answer.content) == (200, PDF)
    expected = {
        "content-type": "application/pdf",
        "content-disposition": "inline; filename=\"beschikking _.pdf\"; filename*=UTF-8''beschikking%20%C3%A9.pdf",
        "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    assert {name: answer.headers.get_list(name) for name in expected} == {n: [value] for n, value in expected.items()}


async def test_attachment_without_display_is_saved(portal, paths):
    answer = await request_as(portal, await portal.mother(), paths)
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize("display", ["", "INLINE", "attachment", "inline%00", "inline&weergave=x"])
async def test_attachment_with_unknown_display_is_rejected(portal, paths, display):
    answer = await request_as(portal, await portal.mother(), f"{paths}?weergave={display}")
    assert answer.status_code == 400
    assert "content-disposition" not in answer.headers


@WAYS
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_attachment_is_journalled_once(world, portal, paths, query, method):
    answer = await request_as(portal, await portal.mother(), paths + query, method)
    assert answer.status_code == 200
    assert await world.reasons("bericht:downloaden") == ["toegestaan"]


@WAYS
async def test_attachment_of_another_person_is_refused_and_journalled(world, portal, paths, query):
    answer = await request_as(portal, await portal.son(), paths + query)
    assert answer.status_code == 404
    assert await world.reasons("bericht:downloaden") == ["bericht_van_ander"]


@WAYS
async def test_attachment_without_login_redirects_to_login(portal, paths, query):
    answer = await portal.http.get(ISSUER + paths + query, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/inloggen")


@WAYS
async def test_attachment_under_another_letter_is_refused(world, portal, paths, query):
    other = await world.deliver_letter()
    for letter in (other, uuid4()):
        path = f"/brieven/{letter}/bijlagen/{paths.rpartition('/')[2]}"
        assert (await request_as(portal, await portal.mother(), path + query)).status_code == 404


@WAYS
async def test_attachment_of_deleted_letter_is_refused(world, portal, paths, query):
    async with world.sessions.begin() as session:
        await session.execute(BERICHTEN.table.update().values(deleted_at=world.clock.now()))
    assert (await request_as(portal, await portal.mother(), paths + query)).status_code == 404


async def test_letter_links_to_attachment_in_a_tab_of_its_own(portal, paths):
    answer = await request_as(portal, await portal.mother(), paths.partition("/bijlagen")[0])
    assert f'href="{paths}?weergave=inline" target="_blank" rel="noopener noreferrer"' in answer.text
    assert f'href="{paths}" download' in answer.text
