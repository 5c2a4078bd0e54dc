"""The overview renders every line that the journal tables admit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machtiging.audit.acts import JournalAct
from machtiging.audit.queries import load_lines_for_machtiging, load_lines_for_person
from machtiging.portal.access_history.routes import PAGE_SIZE
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.people import ISSUER, add_person_without_bsn

# each drawn line is inserted in both journal tables, so that both readers are tested
LINES = 4
NOT_FOR_HER = ("aanlevering:", "login:", "sleutel:", "client:", "uitnodiging:", "journaal:", "meldcode:")
INSTANTS = (
    "infinity",
    "-infinity",
    "4713-01-01 00:00:00+00 BC",
    "0001-01-01 00:00:00+00",
    "1937-06-30 23:59:59.999999+00",
    "2026-10-25 00:59:59.999999+00",
    "9999-12-31 23:59:59.999999+00",
    "10000-01-01 00:00:00+00",
    "294276-12-31 23:59:59.999999+00",
)
DOCUMENTS = (
    "null",
    "[]",
    '"woord"',
    "1e400",
    "1" * 5000,
    '{"aantal": ' + "9" * 5000 + "}",
    "[" * 1500 + "]" * 1500,
    '{"": {"beheerder": []}, "regel": {"": null}}',
)
IDS = ("geen-uuid", "ongeldig", "", " ", "{00000000-0000-0000-0000-000000000001}", "urn:uuid:1", "0" * 5000, "1" * 32)
# PostgreSQL text admits all but NUL and lone surrogates
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=60)
documents = st.sampled_from(DOCUMENTS) | st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
).map(json.dumps)


def somebody(people: Any) -> st.SearchStrategy[UUID | None]:
    return st.none() | st.uuids() | st.sampled_from([people.mother, people.son])


def draw_journal_lines(people: Any) -> st.SearchStrategy[dict[str, Any]]:
    acts = st.sampled_from([act.value for act in JournalAct]) | st.sampled_from(["bericht:", "x", "token:"]) | texts
    return st.fixed_dictionaries(
        {
            "occurred_at": st.sampled_from(INSTANTS),
            "act": acts.filter(bool),
            "outcome": st.sampled_from(["done", "allowed", "refused"]) | texts,
            "reason": st.sampled_from(["te_oud", "regel_1"]) | texts,
            "actor_id": somebody(people),
            "capacity": st.none() | st.sampled_from(["beheerder", "self", "relative"]) | texts,
            "client_id": st.none() | texts,
            "machtiging_id": st.none() | st.uuids(),
            "object_kind": st.none() | st.sampled_from(["bericht", "bijlage", "token", "berichtenbox"]) | texts,
            "object_id": st.none() | st.sampled_from(IDS) | st.uuids().map(str) | texts,
            "policy_digest": st.none() | texts,
            "request_id": texts,
            "facts": documents,
        }
    )


async def insert_line(driver: asyncpg.Connection, table: str, about: UUID, line: dict[str, Any], seq: int) -> None:
    row = {"id": uuid4(), "for_person_id": about, **line}
    if table == "journal":
        row |= {"seq": seq, "previous_hash": bytes(32), "hash": bytes(32)}
    as_text = {"occurred_at": "timestamptz", "facts": "jsonb"}
    values = [f"${n}::text::{as_text[name]}" if name in as_text else f"${n}" for n, name in enumerate(row, 1)]
    await driver.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(values)})", *row.values())


async def fill_journal(driver: asyncpg.Connection, about: UUID, found: list[dict[str, Any]]) -> None:
    """Add these lines about this person (the intake admits fewer outcomes)."""
    newest = await driver.fetchval("SELECT coalesce(max(seq), 0) FROM journal")
    for number, line in enumerate(found, newest + 1):
        await insert_line(driver, "journal", about, line, number)
        admitted = {"outcome": "refused", "reason": line["reason"] or "x"}
        await insert_line(driver, "journal_intake", about, line | admitted, number)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_overview_with_any_admitted_line_renders(portal, superuser_connection, data):
    async with unit_of_work(portal.app.state.services.sessions) as session:
        reader = await add_person_without_bsn(session, str(uuid4()), None)
    found = data.draw(st.lists(draw_journal_lines(replace(portal.people, mother=reader)), min_size=1, max_size=LINES))
    await fill_journal(superuser_connection, reader, found)
    await (await portal.browser_of(reader)).open_page(ISSUER + "/wie-keek-mee")  # raises when the answer is not 200


@pytest.mark.parametrize("object_id", IDS)
async def test_overview_with_malformed_object_id_renders_line(portal, superuser_connection, object_id):
    await fill_journal(superuser_connection, portal.people.mother, [make_plain_line(object_id=object_id)])
    page = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert page.text.count("las een brief") + page.text.count("wilde een brief lezen") == 2


@pytest.mark.parametrize("instant", INSTANTS)
async def test_overview_with_impossible_instants_shows_every_line(portal, superuser_connection, instant):
    await fill_journal(superuser_connection, portal.people.mother, [make_plain_line(occurred_at=instant)] * PAGE_SIZE)
    browser = await portal.mother()
    first = await browser.open_page(ISSUER + "/wie-keek-mee")
    if instant.startswith("2026"):  # equal lines of a possible minute are grouped
        assert [first.text.count(words) for words in ("een brief", f"{PAGE_SIZE} keer in één minuut")] == [2, 2]
        return
    older = next(href for href, word in first.links if word == "Ouder")
    second = await browser.open_page(ISSUER + older)
    assert [page.text.count("een brief") for page in (first, second)] == [PAGE_SIZE, PAGE_SIZE]
    assert not [word for _, word in second.links if word == "Ouder"]


@pytest.mark.parametrize("act", ["bericht:oud", "machtiging:gesplitst", "iets anders", "token:bekeken", "<b>vet</b>"])
async def test_overview_with_unknown_act_shows_generic_words(portal, superuser_connection, act):
    await fill_journal(superuser_connection, portal.people.mother, [make_plain_line(act=act)])
    page = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert "deed iets wat wij hier niet kunnen uitleggen" in page.text
    assert "wilde iets doen dat niet mocht" in page.text
    assert act not in page.text


@pytest.mark.parametrize("act", [act for act in JournalAct if act.startswith(NOT_FOR_HER)])
async def test_overview_omits_acts_that_are_no_access(portal, superuser_connection, act):
    await fill_journal(superuser_connection, portal.people.mother, [make_plain_line(act=act.value)])
    page = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert "Nog niemand heeft uw post bekeken." in page.text


async def test_overview_with_unknown_outcome_says_unknown(portal, superuser_connection):
    await fill_journal(superuser_connection, portal.people.mother, [make_plain_line(outcome="misschien")])
    page = await (await portal.mother()).open_page(ISSUER + "/wie-keek-mee")
    assert "Wij weten niet hoe dit afliep." in page.text


@pytest.mark.parametrize("facts", DOCUMENTS)
async def test_journal_reader_with_malformed_facts_returns_a_document(database, superuser_connection, facts):
    about, under = uuid4(), uuid4()
    await fill_journal(superuser_connection, about, [make_plain_line(facts=facts, machtiging_id=under)])
    async with database.sessions() as session:
        read = [*await load_lines_for_person(session, about), *await load_lines_for_machtiging(session, under)]
    assert [isinstance(line.facts, dict) for line in read] == [True] * 4


def make_plain_line(**changes: Any) -> dict[str, Any]:
    plain = {"occurred_at": "2026-11-23 11:00+00", "act": "bericht:lezen", "outcome": "allowed", "reason": "regel_1"}
    return {**plain, "object_kind": "bericht", "object_id": str(uuid4()), "request_id": "r", "facts": "{}", **changes}
