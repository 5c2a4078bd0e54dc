"""Row MACs: rows made, changed, moved or swapped without the key give no access."""

from uuid import uuid4

import pytest
import structlog
from sqlalchemy import select, text

from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.cli.sealed_tables import SEALED_ORGANISATION_TABLES, SEALED_TABLES
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import rotate_key
from machtiging.identity.tables import SEALED_PERSON, SEALED_SESSION
from machtiging.kernel.errors import ROW_INVALID
from machtiging.oauth.tables import SEALED_CLIENT, SEALED_GRANT
from machtiging.storage.row_mac import MAC_COLUMN, seal_row, verify_row
from tests.builders.database import bypass_triggers
from tests.builders.keys import make_key_directory
from tests.builders.rows import PERSONS
from tests.protocol.row_mac.forged_rows import OPENINGS, forge

# Rows of organisations are tested beside their acts (tests/storage/organisations), those of an authority in
# test_forged_authority_rows.py, those of a help request, a hand-over or a register beside its acts (tests/storage).
# A proposal for fewer four eyes is tested in tests/storage/organisations/test_four_eyes_setting.py.
# A question to renew is tested in tests/protocol/work/test_renewals.py. An assignment row says who
# proposed it: see tests/storage/assignments/test_four_eyes_over_time.py.
# An invitation by a link is tested in tests/storage/organisations/test_invitation_links.py.
# A task and its items are tested in tests/storage/assignment_tasks.
# A verification code is tested in tests/storage/verification.
# A request to open a record is tested in tests/storage/oversight.
# An emergency stop counts whatever its MAC is.
ELSEWHERE = {
    "machtiging",
    "agreement",
    "assignment",
    "machtigingsverzoek",
    "statutory_relation",
    "register_event",
    "emergency_stop",
    "help_request",
    "handover",
    "handover_item",
    "four_eyes_proposal",
    "record_opening",
    "invitation_link",
    "task",
    "task_item",
    "verification_code",
}
BY_NAME = {
    sealed.table.name: sealed
    for sealed in SEALED_TABLES
    if sealed not in SEALED_ORGANISATION_TABLES and sealed.table.name not in ELSEWHERE
}
# lookup columns: with another value the row is not found, which is refused as unknown
FOUND_BY = {
    "person": ("bsn_index",),
    "login_session": ("token_hash",),
    "login_attempt": ("state_hash",),
    "issued_token": ("id",),
    "oauth_client": ("client_id", "state"),
    "pushed_request": ("uri_hash", "client_id"),
    "oauth_grant": ("id",),
    "authorization_code": ("code_hash", "client_id", "grant_id"),
    "refresh_token": ("token_hash", "client_id", "grant_id", "jkt", "x5t"),
    "backchannel_request": ("request_hash", "client_id"),
    "initial_access_token": ("token_hash",),
}
# with another index she is a new person; two swapped persons are tested below
CASES = [
    (name, column)
    for name, sealed in BY_NAME.items()
    for column in sealed.covered
    if (name, column) != ("person", "bsn_index")
]


def test_sealed_tables_are_all_tested():
    assert OPENINGS.keys() == FOUND_BY.keys() == BY_NAME.keys()


@pytest.mark.parametrize("name", sorted(OPENINGS))
async def test_row_with_valid_mac_is_accepted(oauth, name):
    opening = await OPENINGS[name](oauth)
    assert await opening.use()


@pytest.mark.parametrize(("name", "column"), CASES)
async def test_row_with_changed_column_is_rejected_and_journalled(oauth, database, name, column):
    opening = await OPENINGS[name](oauth)
    await forge(database, BY_NAME[name], opening.where, column)
    with structlog.testing.capture_logs() as logs:
        assert not await opening.use()
    if column in FOUND_BY[name]:
        return
    told = [line for line in logs if line["event"] == "row_mac_invalid"]
    assert told, "it is refused for another reason than that it is forged"
    assert {line["table"] for line in told} == {name}
    assert {line["log_level"] for line in told} == {"error"}
    lines = await oauth.lines("rij:geweigerd")
    assert {(line.reason, line.object_kind) for line in lines} == {(ROW_INVALID, name)}
    assert {line.object_id for line in lines} == {line["key"] for line in told}


@pytest.mark.parametrize("name", sorted(OPENINGS))
@pytest.mark.parametrize("mac", [b"", b"\0" * 36, b"\0\0\0\1" + b"\0" * 32, b"\xff\xff\xff\xff" + b"\0" * 32])
async def test_row_with_invented_mac_is_rejected(oauth, database, name, mac):
    opening = await OPENINGS[name](oauth)
    async with bypass_triggers(database) as connection:
        await connection.execute(BY_NAME[name].table.update().where(text(opening.where)).values({MAC_COLUMN: mac}))
    assert not await opening.use()


async def test_session_row_with_plain_token_hash_is_rejected(oauth, database):
    opening = await OPENINGS["login_session"](oauth)
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE login_session SET token_hash = sha256('bekend'), id = gen_random_uuid()"))
    browser = oauth.world.browser()
    oauth._open.append(browser.http)
    browser.http.cookies.set("__Host-sessie", "bekend")
    assert (await browser.get("/verzoeken")).status_code != 200
    assert not await opening.use()


async def test_person_rows_with_swapped_bsn_are_rejected(oauth, database):
    opening = await OPENINGS["person"](oauth)
    other = oauth.world.browser()
    oauth._open.append(other.http)
    await other.log_in("naaste")
    change = text("UPDATE person SET bsn_index = :index, bsn_sealed = :sealed WHERE id = :id")
    async with bypass_triggers(database) as connection:
        found = await PERSONS.read(connection, PERSONS.c.profile_sealed.is_not(None))
        one, another = ({"id": row.id, "index": row.bsn_index, "sealed": row.bsn_sealed} for row in found)
        for values in ({**one, "index": bytes(32)}, {**one, "id": another["id"]}, {**another, "id": one["id"]}):
            await connection.execute(change, dict(values))
    assert not await opening.use()
    assert {line.object_kind for line in await oauth.lines("rij:geweigerd")} == {"person"}


async def test_row_mac_moved_to_another_key_or_table_does_not_verify(session):
    token = dict.fromkeys(SEALED_TOKEN.covered) | {"id": uuid4(), "client_id": "x", "scope": "", "acts": []}
    made = seal_row(session, SEALED_TOKEN, token)
    assert verify_row(session, SEALED_TOKEN, made)
    assert not verify_row(session, SEALED_TOKEN, made | {"id": uuid4()})
    for other in SEALED_TABLES:
        assert other is SEALED_TOKEN or not verify_row(session, other, {**made, "token_hash": b""})


async def test_suspension_and_resumption_of_forged_client_do_not_reseal_it(oauth, database):
    from machtiging.kernel.errors import NotFound
    from machtiging.oauth.suspend_client import resume_client, suspend_client
    from machtiging.storage.unit_of_work import unit_of_work

    agency = await oauth.register_agency()
    await forge(database, SEALED_CLIENT, f"client_id = '{agency.client_id}'", "registration")
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, agency.client_id, at=oauth.clock.now())
    with pytest.raises(NotFound, match="client_onbekend"):
        async with unit_of_work(oauth.sessions) as session:
            await resume_client(session, agency.client_id, at=oauth.clock.now())
    async with oauth.sessions() as session:
        row = (await session.execute(select(SEALED_CLIENT.table))).mappings().first()
        assert not verify_row(session, SEALED_CLIENT, row)


async def test_prompt_none_with_forged_consent_returns_consent_required(oauth, database):
    flow = await oauth.start_flow()
    await flow.tokens(authorization_details=None)
    assert "code=" in (await silently(flow)).headers["location"]
    await forge(database, SEALED_GRANT, "ended_at IS NULL", "requested_claims")
    assert "error=consent_required" in (await silently(flow)).headers["location"]


async def silently(flow):
    return await flow.authorize(await flow.pushed(authorization_details=None, prompt="none"))


async def test_row_mac_of_older_key_verifies_and_of_foreign_keyring_does_not(tmp_path, clock):
    ours, theirs = make_key_directory(tmp_path / "ours"), tmp_path / "theirs"
    before = KeyRing.load(ours)
    made, hashed = before.row_mac(b"row"), before.bearer_hash("token")
    rotate_key(ours, KeyKind.ROW_MAC, clock.now())
    after = KeyRing.load(ours)
    assert (before.row_mac_key_version, after.row_mac_key_version) == (1, 2)
    assert after.row_mac_verifies(made, b"row")
    assert hashed in after.bearer_hashes("token")
    assert after.bearer_hash("token") != hashed
    # a worker loads the new key when it meets a row with it
    assert before.row_mac_verifies(after.row_mac(b"row"), b"row")
    assert before.row_mac_key_version == 2
    from machtiging.crypto.rotation import generate_key_ring

    generate_key_ring(theirs)
    assert not KeyRing.load(theirs).row_mac_verifies(made, b"row")


async def test_row_mac_of_session_and_person_covers_privileged_columns():
    assert {"person_id", "assurance", "roles", "organisation_kvk", "expires_at"} <= set(SEALED_SESSION.covered)
    assert {"bsn_index", "bsn_sealed", "broker_issuer", "broker_subject"} <= set(SEALED_PERSON.covered)
