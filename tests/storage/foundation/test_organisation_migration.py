"""The migration that adds the organisation ends grants under professional machtigingen."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.notifications.texts import NotificationKind, render_message
from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.migration_runner import migrate_schema
from tests.builders.database import create_database_clone, drop_database
from tests.builders.mail import MAIL_CONTACT

BEFORE, ITSELF = "0011", "0012"
NOW = datetime.now(UTC)
GIVER, HELPER, SID = uuid4(), uuid4(), uuid4()
KVK = "90000001"


@pytest.fixture
async def database_url_before_migration(template_url):
    """A database at the schema before the migration."""
    url = await create_database_clone(template_url)
    await migrate_schema(url, BEFORE)
    yield url
    await drop_database(url)


async def rows(url, statement, **values):
    engine = make_engine(url, DatabaseRole.OWNER, pool_size=1)
    async with engine.begin() as connection:
        result = await connection.execute(text(statement), values)
        found = list(result) if result.returns_rows else []
    await engine.dispose()
    return found


async def put(url, table, **values):
    names = ", ".join(values)
    marks = ", ".join(f"CAST(:{name} AS jsonb)" if isinstance(v, dict) else f":{name}" for name, v in values.items())
    plain = {name: json.dumps(v) if isinstance(v, dict) else v for name, v in values.items()}
    await rows(url, f"INSERT INTO {table} ({names}) VALUES ({marks})", **plain)


def digest(*what):
    return sha256(repr(what).encode()).digest()


async def people(url):
    for person in (GIVER, HELPER):
        await put(
            url, "person", id=person, broker_issuer="b", broker_subject=str(person), data_key_wrapped=b"x",
            kek_version=1, created_at=NOW,
        )  # fmt: skip
    await put(url, "oauth_client", client_id="app", registration={"client_name": "Leesapp"}, state="active",
              created_at=NOW)  # fmt: skip
    await put(
        url, "login_session", id=uuid4(), token_hash=digest("s"), person_id=HELPER, assurance="substantieel", roles=[],
        organisation_kvk=KVK, csrf_token="c", authenticated_at=NOW, created_at=NOW, last_seen_at=NOW,
        expires_at=NOW + timedelta(hours=1), sid=SID,
    )  # fmt: skip


async def insert_machtiging(url, kvk):
    machtiging = uuid4()
    await put(
        url, "machtiging", id=machtiging, vertegenwoordigde_id=GIVER, gemachtigde_id=HELPER, gemachtigde_kvk=kvk,
        capacity="professional" if kvk else "relative", purpose="post bijhouden", legal_ground="Awb 2:1",
        state="active", excluded_themes=[], highest_sensitivity="gewoon", letters_from=NOW.date(), acts=["lijst"],
        assurance="substantieel", accepted_assurance="substantieel", starts_at=NOW, ends_at=NOW + timedelta(days=9),
        offered_at=NOW, accepted_at=NOW,
    )  # fmt: skip
    return machtiging


async def insert_consent(url, machtiging, sid=None):
    """A consent with a code, a refresh token, an access token and an approved request. Gives its id."""
    grant = uuid4()
    await put(
        url, "oauth_grant", id=grant, client_id="app", person_id=HELPER, machtiging_id=machtiging,
        authorization_details={}, scope="openid", assurance="substantieel", authenticated_at=NOW, created_at=NOW,
        session_id=sid,
    )  # fmt: skip
    await put(
        url, "authorization_code", code_hash=digest("c", grant), client_id="app", grant_id=grant, redirect_uri="x",
        scope="openid", code_challenge="x" * 43, created_at=NOW, expires_at=NOW + timedelta(seconds=50),
    )  # fmt: skip
    await put(
        url, "refresh_token", token_hash=digest("r", grant), grant_id=grant, client_id="app", created_at=NOW,
        expires_at=NOW + timedelta(hours=5),
    )  # fmt: skip
    await put(
        url, "issued_token", id=uuid4(), client_id="app", grant_id=grant, person_id=HELPER, machtiging_id=machtiging,
        scope="openid", acts=["lijst"], assurance="substantieel", issued_at=NOW, expires_at=NOW + timedelta(hours=1),
    )  # fmt: skip
    await insert_ciba_request(url, machtiging, "approved", grant)
    return grant


async def insert_ciba_request(url, machtiging, state, grant=None):
    await put(
        url, "backchannel_request", request_hash=digest("b", uuid4()), client_id="app", person_id=HELPER,
        machtiging_id=machtiging, params={}, binding_message="x", state=state, grant_id=grant, created_at=NOW,
        expires_at=NOW + timedelta(minutes=5), interval_seconds=5,
    )  # fmt: skip


async def test_migration_ends_grants_under_professional_machtigingen_only(database_url_before_migration):
    await people(database_url_before_migration)
    professional, relative = (
        await insert_machtiging(database_url_before_migration, KVK),
        await insert_machtiging(database_url_before_migration, None),
    )
    ended = {
        await insert_consent(database_url_before_migration, professional),
        await insert_consent(database_url_before_migration, professional),
    }
    ended.add(
        await insert_consent(database_url_before_migration, relative, SID)
    )  # consent of an employee session, under a private machtiging
    standing = {
        await insert_consent(database_url_before_migration, relative),
        await insert_consent(database_url_before_migration, None),
        await insert_consent(database_url_before_migration, None, SID),
    }
    await insert_ciba_request(database_url_before_migration, professional, "pending")
    await migrate_schema(database_url_before_migration, ITSELF)

    grants = await rows(
        database_url_before_migration, "SELECT id, end_reason FROM oauth_grant WHERE ended_at IS NOT NULL"
    )
    assert {(row.id, row.end_reason) for row in grants} == {(one, "organisatie_onbekend") for one in ended}
    open_tokens = await rows(
        database_url_before_migration, "SELECT grant_id FROM issued_token WHERE revoked_at IS NULL"
    )
    assert {row.grant_id for row in open_tokens} == standing
    requests = await rows(
        database_url_before_migration, "SELECT machtiging_id, state, grant_id FROM backchannel_request"
    )
    assert {row.grant_id for row in requests if row.state == "approved"} == standing
    assert {row.state for row in requests if row.machtiging_id == professional} == {"denied"}

    lines = await rows(database_url_before_migration, "SELECT * FROM journal_intake")
    assert {(row.act, row.outcome, row.reason, row.for_person_id) for row in lines} == {
        ("grant:beeindigd", "done", "organisatie_onbekend", GIVER)
    }
    assert {row.object_id for row in lines} == {str(one) for one in ended}
    notices = await rows(database_url_before_migration, "SELECT * FROM notification")
    assert {row.facts["grant_id"] for row in notices} == {str(one) for one in ended}
    assert {(row.person_id, row.kind) for row in notices} == {(HELPER, NotificationKind.APP_GESTOPT_ORGANISATIE.value)}
    told = render_message(
        NotificationKind(notices[0].kind), notices[0].facts, {"giver": "Ans", "helper": "Bram"}, MAIL_CONTACT
    )
    assert "de app Leesapp" in told.body
    assert "post van Ans" in told.body


async def test_migration_up_and_down_keeps_every_row(database_url_before_migration):
    await people(database_url_before_migration)
    await insert_consent(database_url_before_migration, await insert_machtiging(database_url_before_migration, KVK))
    for target in (ITSELF, BEFORE, ITSELF):
        await migrate_schema(database_url_before_migration, target)
    assert len(await rows(database_url_before_migration, "SELECT 1 FROM refresh_token")) == 1
    assert len(await rows(database_url_before_migration, "SELECT 1 FROM notification")) == 1


async def test_migration_without_consents_writes_no_journal_line(database_url_before_migration):
    await migrate_schema(database_url_before_migration, ITSELF)
    assert (
        await rows(database_url_before_migration, "SELECT 1 FROM journal_intake UNION ALL SELECT 1 FROM notification")
        == []
    )
