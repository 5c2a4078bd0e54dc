"""The migration to chains. A professional's machtiging becomes one of the organisation, with one assignment."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from asyncpg.exceptions import RaiseError
from sqlalchemy import text

from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.audit.seal import seal_intake
from machtiging.audit.verification import verify_journal
from machtiging.delegation.authority.queries import load_authority
from machtiging.kernel.clock import SettableClock
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, SEALED_CLIENT, SEALED_GRANT
from machtiging.organisations.rules import RecognitionStatus
from machtiging.storage.migration_runner import MIGRATIONS, migrate_schema
from tests.builders.database import bypass_triggers, seal_rows
from tests.builders.keys import load_keyring
from tests.builders.letters import HELPING, make_api_world
from tests.builders.rows import JOURNAL_INTAKE
from tests.storage.organisations.organisation_world import OrganisationWorld

(STEP,) = MIGRATIONS.glob("versions/m*_chains.py")
BEFORE = f"{int(STEP.name[1:5]) - 1:04}"
KEYS = load_keyring()
KVK, OTHER_KVK = "90000001", "90000002"
NOW = datetime.now(UTC).replace(microsecond=0)
AGREED = {
    "afzenders": ["00000099000000001000"], "diensten": None, "themes": None, "excluded_themes": ["zorg"],
    "highest_sensitivity": "gewoon", "letters_from": NOW.date() - timedelta(days=400), "acts": ["lezen", "lijst"],
    "assurance": "substantieel", "starts_at": NOW - timedelta(days=2), "ends_at": NOW + timedelta(days=80),
}  # fmt: skip
# Name: capacity, holder, KvK number and state of a machtiging of before.
OLD = {
    "relative": ("relative", "helper", None, "active"),
    "professional": ("professional", "helper", KVK, "active"),
    "colleague": ("professional", "without_bsn", KVK, "paused"),
    "elsewhere": ("professional", "helper", OTHER_KVK, "active"),
    "curator": ("curator", "without_bsn", OTHER_KVK, "active"),
    "private_curator": ("curator", "without_bsn", None, "active"),
    "over": ("professional", "helper", KVK, "ended"),
    "offer": ("professional", None, None, "offered"),
    "refused": ("professional", None, None, "ended"),
}
CONVERTED = {name for name, (_, _, kvk, _) in OLD.items() if kvk is not None}


async def insert_row(connection, table, **values):
    names = ", ".join(values)
    marks = ", ".join(f"CAST(:{name} AS jsonb)" if isinstance(v, dict) else f":{name}" for name, v in values.items())
    plain = {name: json.dumps(v) if isinstance(v, dict) else v for name, v in values.items()}
    await connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), plain)


async def fetch_rows(database, query, **values):
    async with database.service.connect() as connection:
        return (await connection.execute(text(query), values)).all()


class OldInstallation:
    """A database at the revision before, filled by SQL as the code before filled it."""

    def __init__(self, database, box, acts):
        self.database, self.box, self.acts = database, box, acts
        self.people, self.ids = {"helper": box.helper}, {}

    async def fill_tables(self):
        async with bypass_triggers(self.database) as connection:
            for name, (capacity, holder, kvk, state) in OLD.items():
                await self.add_machtiging(connection, name, capacity, holder and self.people[holder], kvk, state)
            for name in ("relative", "professional", "colleague", "curator"):
                await self.add_consent(connection, name)
        async with self.database.sessions.begin() as session:
            await seal_rows(session, SEALED_CLIENT, SEALED_GRANT, SEALED_TOKEN, SEALED_BACKCHANNEL_REQUEST)

    async def add_machtiging(self, connection, name, capacity, holder, kvk, state):
        accepted = None if holder is None else NOW - timedelta(days=2)
        ended = {"ended_at": NOW - timedelta(hours=1), "end_reason": "ingetrokken"} if state == "ended" else {}
        paused = {"paused_at": NOW - timedelta(hours=1)} if state == "paused" else {}
        self.ids[name] = uuid4()
        await insert_row(
            connection, "machtiging", id=self.ids[name], vertegenwoordigde_id=self.box.citizen, gemachtigde_id=holder,
            gemachtigde_kvk=kvk, capacity=capacity, purpose=f"post lezen ({name})", legal_ground="BW 3:60", state=state,
            accepted_assurance=None if holder is None else "substantieel", offered_at=NOW - timedelta(days=3),
            accepted_at=accepted, agreement_number=1, **ended, **paused,
        )  # fmt: skip
        await insert_row(
            connection, "agreement", machtiging_id=self.ids[name], number=1, channel="online", text_version="1",
            agreed_by=self.box.citizen, agreed_at=NOW - timedelta(days=3), **AGREED,
        )  # fmt: skip

    async def add_consent(self, connection, name):
        """A consent with an access token, an approved request and a pending one."""
        grant, machtiging = uuid4(), self.ids[name]
        await insert_row(
            connection, "oauth_client", client_id=name, registration={"client_name": "Leesapp"}, state="active",
            created_at=NOW,
        )  # fmt: skip
        holder, kvk = self.people[OLD[name][1]], OLD[name][2]
        whose = {"client_id": name, "person_id": holder, "machtiging_id": machtiging, "organisation_kvk": kvk}
        await insert_row(
            connection, "oauth_grant", id=grant, authorization_details={}, scope="openid", assurance="substantieel",
            authenticated_at=NOW, created_at=NOW, **whose,
        )  # fmt: skip
        await insert_row(
            connection, "issued_token", id=uuid4(), grant_id=grant, scope="openid", acts=["lijst"], issued_at=NOW,
            assurance="substantieel", expires_at=NOW + timedelta(hours=1), **whose,
        )  # fmt: skip
        for state in ("approved", "pending"):
            await insert_row(
                connection, "backchannel_request", request_hash=sha256(f"{name}{state}".encode()).digest(), params={},
                binding_message="x", state=state, grant_id=grant if state == "approved" else None, created_at=NOW,
                expires_at=NOW + timedelta(minutes=5), interval_seconds=5, **whose,
            )  # fmt: skip

    async def verify_journal(self):
        await seal_intake(self.database.sealer, KEYS, SettableClock(datetime.now(UTC)))
        assert (await verify_journal(self.database.service, KEYS)).ok

    async def find_assignment(self, name):
        ((assignment_id,),) = await fetch_rows(
            self.database, "SELECT id FROM machtiging WHERE parent_id = :id", id=self.ids[name]
        )
        return assignment_id

    async def stop_of(self, machtiging_id):
        async with self.database.sessions() as session:
            stop = (await load_authority(session, machtiging_id)).stop_reason(datetime.now(UTC))
        return None if stop is None else stop.code


@pytest.fixture
async def old(database):
    """An installation at the revision before."""
    clock = SettableClock(NOW)
    box, acts = await make_api_world(database, clock), OrganisationWorld(database, clock)
    await acts.add_operators()
    made = OldInstallation(database, box, acts)
    made.people["without_bsn"] = await acts.add_person("Fatima Hulp")
    await made.verify_journal()
    await migrate_schema(database.url, BEFORE)
    await made.fill_tables()
    return made


STATE = """
SELECT m.capacity, m.purpose, m.state, m.accepted_at, m.paused_at, m.ended_at, a.afzenders, a.diensten, a.themes,
    a.excluded_themes, a.highest_sensitivity, a.letters_from, a.acts, a.assurance, a.starts_at, a.ends_at
FROM machtiging m JOIN agreement a ON (a.machtiging_id, a.number) = (m.id, m.agreement_number) WHERE m.id = :id
"""


async def test_professionals_machtiging_becomes_one_of_the_organisation_with_one_assignment(old, database):
    states = {name: await fetch_rows(database, STATE, id=id_) for name, id_ in old.ids.items()}
    await migrate_schema(database.url)
    for name, id_ in old.ids.items():
        assert await fetch_rows(database, STATE, id=id_) == states[name]
    rows = await fetch_rows(
        database,
        """SELECT m.id, o.kvk, e.person_id, m.state, c.state, c.capacity, c.ended_at IS NOT DISTINCT FROM m.ended_at,
            a.only_employee_id = e.id, b.only_employee_id = e.id, s.kind, s.assigned_by
        FROM machtiging c JOIN machtiging m ON m.id = c.parent_id JOIN employee e ON e.id = c.employee_id
            JOIN organisation o ON o.id = m.gemachtigde_id AND o.id = e.organisation_id
            JOIN agreement a ON a.machtiging_id = m.id JOIN agreement b ON b.machtiging_id = c.id
            JOIN assignment s ON s.machtiging_id = c.id""",
    )
    names = {id_: name for name, id_ in old.ids.items()}
    found = {names[row[0]]: tuple(row[1:]) for row in rows}
    assert len(rows) == len(found) == len(CONVERTED)
    for name in CONVERTED:
        capacity, holder, kvk, state = OLD[name]
        link_state = "ended" if state == "ended" else "active"
        kept = (state, link_state, capacity, True)
        assert found[name] == (kvk, old.people[holder], *kept, True, True, "vast", None)
    assert await fetch_rows(database, "SELECT count(*) FROM employee") == [(4,)]
    others = "SELECT gemachtigde_id FROM machtiging WHERE parent_id IS NULL AND id = :id"
    for name in OLD.keys() - CONVERTED:
        holder = OLD[name][1]
        assert await fetch_rows(database, others, id=old.ids[name]) == [(holder and old.people[holder],)]


async def test_consents_under_a_professionals_machtiging_end_and_relatives_stay(old, database):
    await migrate_schema(database.url)
    kept = {old.ids["relative"]}
    for query in (
        "SELECT machtiging_id FROM oauth_grant WHERE ended_at IS NULL",
        "SELECT machtiging_id FROM issued_token WHERE revoked_at IS NULL",
        "SELECT machtiging_id FROM backchannel_request WHERE state = 'pending'",
    ):
        assert {row[0] for row in await fetch_rows(database, query)} == kept
    ended = {old.ids[name] for name in ("professional", "colleague", "curator")}
    for act in ("grant:beeindigd", "grant:geweigerd"):
        lines = await JOURNAL_INTAKE.read(database, act=act)
        assert {(line.machtiging_id, line.reason) for line in lines} == {(one, "organisatie_onbekend") for one in ended}
        assert {line.for_person_id for line in lines} == {old.box.citizen}
    await old.verify_journal()


async def test_nothing_opens_until_rows_are_sealed_and_organisation_is_recognised(old, database, run_command):
    assert (await run_command("migrate")).code == 0
    professional, relative = await old.find_assignment("professional"), old.ids["relative"]
    token = await old.box.issue_token(old.box.helper, under=relative, acts=HELPING)
    async with old.box.client(token) as client:
        refused = await client.get("/api/v1/berichten")
        assert (refused.status_code, refused.json()["code"]) == (403, "rij_ongeldig")
    assert {await old.stop_of(each) for each in (professional, relative)} == {"rij_ongeldig"}
    await old.verify_journal()
    sealed = await run_command("keys", "seal-rows")
    assert sealed.code == 0, sealed
    async with old.box.client(token) as client:
        assert (await client.get("/api/v1/berichten")).status_code == 200
    assert await old.stop_of(relative) is None
    assert await old.stop_of(professional) == "organisatie_niet_erkend"
    told = (await run_command("doctor")).out
    assert "all as they were written" in told
    assert "all as the journal says" in told
    await old.verify_journal()
    ((organisation,),) = await fetch_rows(database, "SELECT id FROM organisation WHERE kvk = :kvk", kvk=KVK)
    await old.acts.decide(organisation, RecognitionStatus.RECOGNISED)
    assert await old.stop_of(professional) is None
    assert await old.stop_of(await old.find_assignment("colleague")) == "machtiging_gepauzeerd"
    assert await old.stop_of(await old.find_assignment("elsewhere")) == "organisatie_niet_erkend"
    assert (await run_command("keys", "seal-rows")).code != 0
    await old.verify_journal()


async def test_employee_and_organisation_that_are_there_are_taken(old, database):
    organisation, employee = uuid4(), uuid4()
    async with bypass_triggers(database) as connection:
        for id_, vestiging in ((organisation, None), (uuid4(), "000000000001")):
            await insert_row(connection, "party", id=id_, kind="organisation", created_at=NOW)
            await insert_row(
                connection, "organisation", id=id_, kvk=KVK, vestiging=vestiging, name="Wijkteam", kind="welzijn",
                ceiling_sensitivity="gewoon", ceiling_days=9, created_at=NOW,
            )  # fmt: skip
        await insert_row(
            connection, "employee", id=employee, organisation_id=organisation, person_id=old.box.helper,
            roles=["hulpverlener"], state="actief", starts_at=NOW, invited_at=NOW, display_name_sealed=b"x",
        )  # fmt: skip
    await migrate_schema(database.url)
    roots = await fetch_rows(
        database, "SELECT gemachtigde_id FROM machtiging WHERE id = :id", id=old.ids["professional"]
    )
    assert roots == [(organisation,)]
    links = await fetch_rows(
        database, "SELECT employee_id FROM machtiging WHERE parent_id = :id", id=old.ids["professional"]
    )
    assert links == [(employee,)]
    assert await fetch_rows(database, "SELECT count(*) FROM employee") == [(4,)]
    await migrate_schema(database.url, BEFORE)
    assert await fetch_rows(database, "SELECT id FROM employee") == [(employee,)]


OLD_SHAPE = """
SELECT id, vertegenwoordigde_id, gemachtigde_id, gemachtigde_kvk, parent_id, capacity, purpose, state, accepted_at,
    paused_at, ended_at, end_reason FROM machtiging ORDER BY id
"""


async def test_downgrade_gives_the_professionals_machtiging_back(old, database):
    before = await fetch_rows(database, OLD_SHAPE)
    for _ in range(2):
        await migrate_schema(database.url)
        await migrate_schema(database.url, BEFORE)
        assert await fetch_rows(database, OLD_SHAPE) == before
    assert await fetch_rows(database, "SELECT count(*), count(only_employee_id) FROM agreement") == [(len(OLD), 0)]
    await old.verify_journal()


async def test_downgrade_is_refused_when_an_assignment_would_be_lost(old, database):
    await migrate_schema(database.url)
    assigned = await old.find_assignment("professional")
    async with bypass_triggers(database) as connection:
        await connection.execute(
            text("UPDATE assignment SET assigned_by = (SELECT id FROM employee LIMIT 1) WHERE machtiging_id = :id"),
            {"id": assigned},
        )
    with pytest.raises(RaiseError, match="assignments and requests would be lost"):
        await migrate_schema(database.url, BEFORE)
    assert await old.find_assignment("professional") == assigned


MANY = 1000


@pytest.mark.long
async def test_thousand_machtigingen_with_letters_are_sealed_and_the_journal_verifies(old, database, run_command):
    async with bypass_triggers(database) as connection:
        for number in range(MANY):
            kvk = KVK if number % 3 else None
            capacity = "relative" if kvk is None else "professional"
            await old.add_machtiging(connection, f"{number}", capacity, old.box.helper, kvk, "active")
    assert (await run_command("migrate")).code == 0
    await old.verify_journal()
    assert (await run_command("keys", "seal-rows")).code == 0
    assert "all as the journal says" in (await run_command("doctor")).out
    await old.verify_journal()
    stops = [await old.stop_of(old.ids[f"{number}"]) for number in range(0, MANY, 97)]
    # The organisation came in as requested, and that is told before that the root itself is assigned to nobody.
    assert stops == [None if number % 3 == 0 else "organisatie_niet_erkend" for number in range(0, MANY, 97)]
