"""A token for several machtigingen. Each request names one of them in its path."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.access_tokens.tokens import insert_token
from machtiging.berichtenbox.rules import PART_BYTES
from machtiging.delegation.authority.machtiging_set import ASSIGNED, MachtigingSet
from machtiging.delegation.rules import Act
from machtiging.kernel.ids import MachtigingId, uuid7
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.database import bypass_triggers, record_queries, seal_rows
from tests.builders.downloads import start_download
from tests.builders.letters import HELPING, make_pdf
from tests.builders.machtiging import insert_machtiging
from tests.builders.organisations import (
    KVK,
    OTHER_KVK,
    add_recognised_organisation,
    change_employee,
    change_organisation,
)
from tests.builders.rows import BIJLAGEN, EMPLOYEES, ISSUED_TOKENS, JOURNAL_INTAKE, ORGANISATIONS

API = "/api/v1"
MERGE_PATCH = {"content-type": "application/merge-patch+json"}


async def assign(world, **changes):
    """A machtiging of the citizen to the organisation of the helper, assigned to him. Returns the assignment."""
    [employee] = await EMPLOYEES.read(world, "id", "organisation_id", person_id=world.helper)
    row = world.machtiging_row(uuid7()) | {"capacity": "professional", "gemachtigde_id": employee.organisation_id}
    link = {"parent_id": row["id"], "gemachtigde_id": None, "employee_id": employee.id, "id": uuid7()}
    async with world.sessions.begin() as session:
        await insert_machtiging(session, **(row | changes))
        return await insert_machtiging(session, **(row | changes | link))


@pytest.fixture
async def employed(world):
    """The box world, with the helper as employee of a recognised organisation."""
    async with world.sessions.begin() as session:
        await add_recognised_organisation(session, KVK, world.helper)
    return world


async def issue_assigned_token(world, **changes):
    order = {"acts": HELPING, "several": ASSIGNED, "organisation_kvk": KVK} | changes
    return await world.issue_token(world.helper, **order)


async def issue_named_token(world, *ids):
    return await world.issue_token(world.helper, acts=HELPING, several=MachtigingSet(frozenset(ids)))


async def get(world, token, path, **params):
    async with world.client(token) as client:
        return await client.get(API + path, params=params)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/berichten"),
        ("GET", "/berichten/{letter}"),
        ("HEAD", "/berichten/{letter}"),
        ("GET", "/berichten/{letter}/bijlagen/{bijlage}"),
        ("PATCH", "/berichten/{letter}"),
        ("DELETE", "/berichten/{letter}"),
    ],
)
async def test_token_for_several_without_machtiging_in_the_path_is_refused_and_journalled(employed, method, path):
    await assign(employed)
    letter = await employed.deliver_letter(("a.pdf", make_pdf(), "application/pdf"))
    [bijlage] = await BIJLAGEN.read_column(employed, "id")
    token = await issue_assigned_token(employed)
    async with employed.client(token) as client:
        url = API + path.format(letter=letter, bijlage=bijlage)
        answer = await client.request(method, url, headers=MERGE_PATCH, content=b'{"gelezen": true}')
    assert answer.status_code == 403
    if method != "HEAD":
        assert answer.json()["code"] == "machtiging_niet_genoemd"
    [line] = await JOURNAL_INTAKE.read(employed, "for_person_id", "actor_id", reason="machtiging_niet_genoemd")
    assert (line.for_person_id, line.actor_id) == (None, employed.helper)


async def test_assigned_clients_are_read_each_under_its_own_id(employed):
    first, second = await assign(employed), await assign(employed)
    letter = await employed.deliver_letter()
    token = await issue_assigned_token(employed)
    for held in (first, second):
        listed = await get(employed, token, f"/machtigingen/{held}/berichten")
        assert [one["berichtId"] for one in listed.json()["berichten"]] == [letter]
        assert (await get(employed, token, f"/machtigingen/{held}/berichten/{letter}")).status_code == 200
    lines = await JOURNAL_INTAKE.read_column(employed, "machtiging_id", act="bericht:lezen")
    assert lines == [first, second]


async def test_client_assigned_later_is_covered_and_ended_assignment_is_not(employed):
    token = await issue_assigned_token(employed)
    assert (await get(employed, token, "/machtigingen")).json()["machtigingen"] == []
    later = await assign(employed)
    assert (await get(employed, token, f"/machtigingen/{later}/berichten")).status_code == 200
    await employed.revoke(later)
    refused = await get(employed, token, f"/machtigingen/{later}/berichten")
    assert (refused.status_code, refused.json()["code"]) == (403, "toewijzing_beeindigd")
    assert (await get(employed, token, "/machtigingen")).json()["machtigingen"] == []


async def test_named_machtigingen_cover_no_other_of_the_same_holder(world):
    named, other = await world.grant_machtiging(), await world.grant_machtiging()
    token = await issue_named_token(world, named)
    assert (await get(world, token, f"/machtigingen/{named}/berichten")).status_code == 200
    assert (await get(world, token, f"/machtigingen/{other}/berichten")).status_code == 404
    assert [one["machtigingId"] for one in (await get(world, token, "/machtigingen")).json()["machtigingen"]] == [
        str(named)
    ]


async def test_named_machtiging_of_another_holder_is_refused_as_one_that_does_not_exist(world, database):
    """Its id is in the token, as if the holder had changed after the consent."""
    of_another = await world.grant_machtiging(vertegenwoordigde_id=world.helper, gemachtigde_id=world.citizen)
    unknown = MachtigingId(uuid7())
    token = await issue_named_token(world, await world.grant_machtiging(), of_another, unknown)
    letter = await world.deliver_letter(("a.pdf", make_pdf(), "application/pdf"))
    [bijlage] = await BIJLAGEN.read_column(world, "id")
    paths = ("/berichten", f"/berichten/{letter}", f"/berichten/{letter}/bijlagen/{bijlage}")
    answers, statements = [], set()
    for wrong in (unknown, of_another, uuid7(), str(of_another).upper(), f"{{{of_another}}}", f"urn:uuid:{of_another}"):
        for method, below in itertools.product(("GET", "HEAD"), paths):
            async with world.client(token) as client:
                with record_queries(database) as said:
                    answer = await client.request(method, f"{API}/machtigingen/{wrong}{below}")
            body = answer.json() if method == "GET" else {}
            answers.append((answer.status_code, {name: value for name, value in body.items() if name != "verzoekId"}))
            statements.add((method, below, len(said)))
    assert {status for status, _ in answers} == {404}
    assert all(body in ({}, answers[0][1]) for _, body in answers)
    assert len(statements) == 6, statements
    lines = await JOURNAL_INTAKE.read(world, "for_person_id", "machtiging_id", reason="machtiging_niet_van_token")
    assert (len(lines), set(map(tuple, lines))) == (36, {(None, None)})


@pytest.mark.parametrize("kvk", [None, OTHER_KVK])
async def test_assigned_clients_with_token_of_another_login_are_unknown(employed, kvk):
    held = await assign(employed)
    token = await issue_assigned_token(employed, organisation_kvk=kvk)
    assert (await get(employed, token, f"/machtigingen/{held}/berichten")).status_code == 404
    assert (await get(employed, token, "/machtigingen")).json()["machtigingen"] == []


async def test_assigned_token_of_a_relative_covers_none_of_his_machtigingen(employed):
    """A machtiging that he holds as a relative is not an assignment."""
    private = await employed.grant_machtiging()
    for kvk in (None, KVK):
        token = await issue_assigned_token(employed, organisation_kvk=kvk)
        assert (await get(employed, token, f"/machtigingen/{private}/berichten")).status_code == 404


async def test_departed_employee_opens_nothing_with_a_token_for_several(employed):
    held = await assign(employed)
    token = await issue_assigned_token(employed)
    [employee] = await EMPLOYEES.read_column(employed, "id")
    async with employed.sessions.begin() as session:
        at = employed.clock.now()
        await change_employee(session, employee, state="vertrokken", ends_at=at)
    refused = await get(employed, token, f"/machtigingen/{held}/berichten")
    assert (refused.status_code, refused.json()["code"]) == (403, "medewerker_vertrokken")
    listed = (await get(employed, token, "/machtigingen")).json()["machtigingen"]
    assert listed == [{"machtigingId": str(held), "geldt": False, "reden": "medewerker_vertrokken"}]


async def test_act_outside_the_consent_is_refused_under_each_machtiging(employed):
    held, letter = await assign(employed), await employed.deliver_letter()
    token = await issue_assigned_token(employed, acts=(Act.LIST,))
    assert (await get(employed, token, f"/machtigingen/{held}/berichten")).status_code == 200
    refused = await get(employed, token, f"/machtigingen/{held}/berichten/{letter}")
    assert (refused.status_code, refused.json()["code"]) == (403, "handeling_niet_toegestaan")


async def test_download_under_a_token_for_several_after_the_end_of_its_machtiging_is_refused(employed):
    held, other = await assign(employed), await assign(employed)
    letter = await employed.deliver_letter(("a.pdf", make_pdf(), "application/pdf"))
    [bijlage] = await BIJLAGEN.read_column(employed, "id")
    token = await issue_assigned_token(employed)
    path = f"/berichten/{letter}/bijlagen/{bijlage}"
    assert (await get(employed, token, f"/machtigingen/{held}{path}")).status_code == 200
    await employed.revoke(held)
    assert (await get(employed, token, f"/machtigingen/{held}{path}")).status_code == 403
    assert (await get(employed, token, f"/machtigingen/{other}{path}")).status_code == 200


async def leave(world, _held):
    [employee] = await EMPLOYEES.read_column(world, "id")
    async with world.sessions.begin() as session:
        await change_employee(session, employee, state="vertrokken", ends_at=world.clock.now())


async def raise_minimum(world, _held):
    [organisation] = await ORGANISATIONS.read_column(world, "id")
    async with world.sessions.begin() as session:
        await change_organisation(session, organisation, minimum_level="hoog")


async def revoke_tokens(world, _held):
    async with world.sessions.begin() as session:
        await session.execute(update(ISSUED_TOKENS.table).values(revoked_at=world.clock.now()))


async def revoke_machtiging(world, held):
    await world.revoke(held)


@pytest.mark.parametrize("end", [revoke_machtiging, leave, raise_minimum, revoke_tokens])
async def test_row_47_download_under_a_token_for_several_stops_halfway_at_its_end(employed, end):
    held, _ = await assign(employed), await assign(employed)
    letter = await employed.deliver_letter(("a.pdf", make_pdf(PART_BYTES + 100), "application/pdf"))
    [bijlage] = await BIJLAGEN.read_column(employed, "id")
    path = f"{API}/machtigingen/{held}/berichten/{letter}/bijlagen/{bijlage}"
    download = start_download(employed.app, path, await issue_assigned_token(employed))
    assert (await download.messages.get())["status"] == 200
    assert len((await download.messages.get())["body"]) == PART_BYTES
    await end(employed, held)
    for _ in range(5):
        download.demand.release()
    with pytest.raises(RuntimeError):
        await download.task
    assert download.messages.empty()
    reason = "toegang_beeindigd_tijdens_downloaden"
    [line] = await JOURNAL_INTAKE.read(employed, "for_person_id", "machtiging_id", reason=reason)
    assert tuple(line) == (employed.citizen, held)


async def test_revoked_token_for_several_under_an_ended_machtiging_is_refused_as_revoked(employed):
    """The answer must not tell what became of the machtiging."""
    held = await assign(employed)
    token = await issue_assigned_token(employed)
    await revoke_tokens(employed, held)
    await employed.revoke(held)
    refused = await get(employed, token, f"/machtigingen/{held}/berichten")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_ingetrokken")


async def test_refused_token_for_several_is_journalled_for_the_addressed_machtiging(employed):
    held, token = await assign(employed), await issue_assigned_token(employed)
    await revoke_tokens(employed, held)
    for addressed in (held, uuid7()):
        assert (await get(employed, token, f"/machtigingen/{addressed}/berichten")).status_code == 401
    lines = await JOURNAL_INTAKE.read(employed, "for_person_id", "machtiging_id", act="token:geweigerd")
    assert [tuple(line) for line in lines] == [(employed.citizen, held), (None, None)]


async def test_own_token_with_a_json_null_set_by_sql_opens_no_machtiging(world, database):
    """SQL takes it for a token for several, and Python for one of its own. Only without the constraint can it be."""
    held, letter = await world.grant_machtiging(), await world.deliver_letter()
    token = await world.issue_token(world.helper)
    async with bypass_triggers(database) as connection:
        await connection.execute(
            text("ALTER TABLE issued_token DROP CONSTRAINT token_for_several_is_of_a_person_at_our_api")
        )
        await connection.execute(text("UPDATE issued_token SET representation_set = 'null'"))
    for below in ("/berichten", f"/berichten/{letter}"):
        assert (await get(world, token, f"/machtigingen/{held}{below}")).status_code == 404


async def test_machtigingen_of_a_token_for_several_are_paged_in_the_order_of_their_ids(employed):
    held = sorted([str(await assign(employed)) for _ in range(3)])
    token = await issue_assigned_token(employed)
    seen, url = [], f"{API}/machtigingen?aantal=2"
    async with employed.client(token) as client:
        while url:
            page = (await client.get(url)).json()
            seen.append([one["machtigingId"] for one in page["machtigingen"]])
            url = page["_links"].get("next", {}).get("href")
    assert seen == [held[:2], held[2:]]


async def test_machtigingen_with_many_assigned_take_three_statements(employed, database):
    for _ in range(30):
        await assign(employed)
    token = await issue_assigned_token(employed)
    with record_queries(database) as said:
        found = (await get(employed, token, "/machtigingen", aantal=50)).json()["machtigingen"]
    assert len(found) == 30
    assert len([each for each in said if each.startswith(("SELECT", "WITH"))]) == 3, said


async def test_machtigingen_of_a_token_for_several_with_a_paused_one_tell_the_reason_for_it_only(employed):
    paused, open_one = await assign(employed), await assign(employed)
    await employed.pause(paused)
    found = (await get(employed, await issue_assigned_token(employed), "/machtigingen")).json()["machtigingen"]
    by_id = {one["machtigingId"]: one for one in found}
    assert by_id[str(paused)] == {
        "machtigingId": str(paused),
        "geldt": False,
        "reden": "toewijzing_gepauzeerd",
    }
    assert by_id[str(open_one)]["geldt"]


@pytest.mark.parametrize("forged", ["own box", "all assigned", "one more"])
async def test_set_altered_by_sql_is_refused(employed, database, forged):
    """Also when the MAC is right: then the signed token says something else."""
    named, other = await employed.grant_machtiging(), await employed.grant_machtiging()
    held = await assign(employed)
    tokens = {"own box": await issue_assigned_token(employed)}
    tokens["all assigned"] = tokens["one more"] = await issue_named_token(employed, named)
    value = {
        "own box": None,
        "all assigned": ASSIGNED.to_json(),
        "one more": MachtigingSet(frozenset((named, other))).to_json(),
    }[forged]
    for reseal in (False, True):
        async with bypass_triggers(database) as connection:
            await connection.execute(update(ISSUED_TOKENS.table).values(representation_set=value))
        if reseal:
            async with employed.sessions.begin() as session:
                await seal_rows(session, SEALED_TOKEN)
        for path in (
            "/berichten",
            "/machtigingen",
            *(f"/machtigingen/{one}/berichten" for one in (named, other, held)),
        ):
            assert (await get(employed, tokens[forged], path)).status_code == 401, (path, reseal)


async def test_token_that_names_another_set_than_its_row_is_refused(world):
    named, other = await world.grant_machtiging(), await world.grant_machtiging()
    facts = make_token_facts(world.clock.now(), person_id=world.helper, grant_id=uuid7())
    facts = replace(facts, representation_set=MachtigingSet(frozenset((named,))).to_json())
    wider = replace(facts, representation_set=MachtigingSet(frozenset((named, other))).to_json())
    async with world.sessions.begin() as session:
        await insert_token(session, facts)
    for claims, status in ((facts, 200), (wider, 401), (replace(facts, representation_set=None), 401)):
        token = sign_access_token(claims, keyring=world.keyring)
        assert (await get(world, token, f"/machtigingen/{named}/berichten")).status_code == status


async def test_expired_token_for_several_is_refused(employed):
    held, token = await assign(employed), await issue_assigned_token(employed)
    employed.clock.advance(timedelta(minutes=11))
    assert (await get(employed, token, f"/machtigingen/{held}/berichten")).status_code == 401
