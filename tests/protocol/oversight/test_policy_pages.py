"""The pages `/beheer/beleid` and `/beheer/beleid/{nummer}`: the policy, and what changed when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from machtiging.access.oversight.policy_versions import record_policy_version
from machtiging.access.policy_file import PolicyContent
from machtiging.storage.unit_of_work import unit_of_work


async def store(database, clock, content):
    async with unit_of_work(database.sessions) as session:
        await record_policy_version(session, content, at=clock.now())


def get_content(service):
    return service.service.state.services.policy.content


async def test_policy_without_versions_says_so(auditor):
    assert "Er is nog geen beleid vastgelegd." in (await auditor.get("/beheer/beleid")).text


async def test_versions_say_in_words_what_changed(service, database, clock, auditor):
    content = get_content(service)
    first, second, *rest = content.rows
    changed = replace(second, act=frozenset({"vroeger_woord"}), because="Dit is de nieuwe reden.")
    await store(database, clock, content)
    await store(database, clock, PolicyContent(content.model, (changed, *rest)))

    overview = (await auditor.get("/beheer/beleid")).text
    page = (await auditor.get("/beheer/beleid/2")).text
    earliest = (await auditor.get("/beheer/beleid/1")).text

    assert "1 regel weg." in overview
    assert "1 regel anders." in overview
    assert "2 veranderingen" in page
    assert first.id in page
    assert first.because in page
    assert "vroeger_woord" in page
    assert "Dit is de nieuwe reden." in page
    assert "Deze regel is er niet meer." in page
    assert "Dit is het eerste beleid" in earliest


async def test_older_versions_are_on_the_next_page(service, database, clock, auditor, monkeypatch):
    monkeypatch.setattr("machtiging.portal.operator.policy_pages.PAGE_SIZE", 1)
    content = get_content(service)
    await store(database, clock, content)
    await store(database, clock, PolicyContent(content.model, content.rows[1:]))

    first = (await auditor.get("/beheer/beleid")).text
    second = (await auditor.get("/beheer/beleid?voor=2")).text

    assert "/beheer/beleid?voor=2#versies" in first
    assert 'href="/beheer/beleid/1"' in second
    assert 'href="/beheer/beleid/2"' not in second


@pytest.mark.parametrize(("path", "status"), [("0", 422), ("-1", 422), ("x", 422), ("99", 404), (str(2**63), 422)])
async def test_version_with_bad_number_is_refused(auditor, path, status):
    assert (await auditor.get(f"/beheer/beleid/{path}")).status_code in (status, 404)


@pytest.mark.parametrize("value", ["0", "x", "-5", str(2**40)])
async def test_policy_before_bad_number_is_refused(auditor, value):
    assert (await auditor.get("/beheer/beleid", params={"voor": value})).status_code in (400, 404, 422)


@pytest.mark.parametrize("persona", ["naaste", "raadslid", "balie"])
async def test_version_is_closed_to_others(service, database, clock, persona):
    await store(database, clock, get_content(service))
    browser = await service.logged_in(persona)

    assert (await browser.get("/beheer/beleid/1")).status_code == 403
