"""Row MACs: covered columns, encoding, verification, rotation and migration."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import DateTime, Text, bindparam, select, text

from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.cli.sealed_tables import SEALED_AT_UPGRADE, SEALED_TABLES
from machtiging.crypto.key_manifest import KeyKind, parse_manifest, serialise_manifest
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import generate_key_ring, read_key_entries, rotate_key
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.identity.tables import SEALED_PERSON
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Fault, NotAllowed
from machtiging.oauth.register_client import register_client
from machtiging.oauth.tables import SEALED_CLIENT, SEALED_GRANT
from machtiging.storage.migration_runner import MIGRATIONS, migrate_schema
from machtiging.storage.row_mac import MAC_COLUMN, get_row_keys, seal_row, verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_app_metadata, make_client_keys
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring, make_key_directory

(STEP,) = MIGRATIONS.glob("versions/m*_row_macs.py")
REVISION_BEFORE = f"{int(STEP.name[1:5]) - 1:04}"
BSN_OF_PERSON = Bsn("999993653")
# Tables that carry no MAC; docs/decisions/0008 says why of each.
UNSEALED = {
    *(
        "machtigingscode",
        "code_try",
        "verification_code_try",
        "meldcode",
        "used_assertion",
        "used_proof",
        "kept_form",
        "form_draft",
        "helper_name",
        "helper_note",
        "client_search_key",
    ),
    *("bericht", "bijlage", "bijlage_part", "reader_mark", "agency", "dienst", "notification", "logout_notice"),
    *("party", "worker_heartbeat", "majority_notice", "organisation_stop_notice", "policy_version"),
    *("bundle_version", "saved_filter", "agency_pseudonym"),
    *("journal", "journal_intake", "journal_head", "sealing_turn", "alembic_version"),
}


async def test_row_mac_covers_or_exempts_every_column(database):
    query = text(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :name"
    )
    async with database.sessions() as session:
        for sealed in SEALED_TABLES:
            there = set(await session.scalars(query, {"name": sealed.table.name}))
            assert there == {*sealed.covered, *sealed.exempt, MAC_COLUMN}, sealed.table.name
            assert not set(sealed.covered) & set(sealed.exempt)
            assert set(sealed.key) <= set(sealed.covered)
            assert all(sealed.exempt.values())


async def test_every_table_has_row_macs_or_is_exempt(database):
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    async with database.sessions() as session:
        there = set(await session.scalars(query))
    sealed = {one.table.name for one in SEALED_TABLES}
    assert there - sealed - UNSEALED == set(), "say of this table in docs/decisions/0008 why it carries no MAC"
    assert not sealed & UNSEALED


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=5), inner
        )
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=_JSON)
async def test_row_mac_of_json_verifies_after_storage(database, document):
    async with database.sessions() as session:
        read = await session.scalar(text("SELECT CAST(:it AS jsonb)"), {"it": json.dumps(document)})
        row = {"id": uuid4(), "requested_claims": {"it": document}}
        made = seal_row(session, SEALED_GRANT, row)
        assert verify_row(session, SEALED_GRANT, {**made, "requested_claims": {"it": read}})


_VALUES = st.one_of(st.none(), st.text(max_size=3), st.uuids(), st.lists(st.text(max_size=2), max_size=2))


@given(one=st.tuples(_VALUES, _VALUES), other=st.tuples(_VALUES, _VALUES))
def test_row_mac_encoding_is_injective(one, other):
    first, second = (SEALED_TOKEN.encode_row({"scope": a, "audience": b}) for a, b in (one, other))
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"jkt": None}, {"jkt": ""}),
        ({"scope": "ab", "audience": "c"}, {"scope": "a", "audience": "bc"}),
        ({"acts": ["a", "b"]}, {"acts": ["a,b"]}),
        ({"acts": []}, {"acts": None}),
        ({"acts": [None]}, {"acts": [""]}),
        ({"jkt": "x"}, {"x5t": "x"}),
        ({"scope": "1"}, {"scope": 1}),
    ],
)
def test_row_mac_encoding_differs_for_similar_values(one, other):
    assert SEALED_TOKEN.encode_row(one) != SEALED_TOKEN.encode_row(other)


def test_row_mac_encoding_is_independent_of_time_zone():
    there = NOON.astimezone(timezone(timedelta(hours=5)))
    assert SEALED_TOKEN.encode_row({"expires_at": NOON}) == SEALED_TOKEN.encode_row({"expires_at": there})
    with pytest.raises(ValueError, match="zone"):
        SEALED_TOKEN.encode_row({"expires_at": datetime(2026, 1, 1)})  # noqa: DTZ001
    with pytest.raises(TypeError):
        SEALED_TOKEN.encode_row({"scope": object()})


async def test_database_session_without_key_ring_is_a_fault(database):
    from machtiging.storage.engine import make_sessions

    async with make_sessions(database.service)() as session:
        with pytest.raises(Fault, match="rijsleutel_ontbreekt"):
            get_row_keys(session)
        with pytest.raises(Fault, match="rijsleutel_ontbreekt"):
            await find_or_create_by_bsn(session, load_keyring(), BSN_OF_PERSON, at=NOON)


async def some_rows(database):
    async with unit_of_work(database.sessions) as session:
        await find_or_create_by_bsn(session, load_keyring(), BSN_OF_PERSON, at=NOON)
        await register_client(
            session, make_app_metadata(make_client_keys()), detail_type="berichtenbox", oin=None, at=NOON
        )


async def test_doctor_reports_row_with_invalid_mac(run_command, database):
    assert "2, all as they were written" in (await run_command("doctor")).out
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE oauth_client SET oin = NULL, state = 'suspended'"))
    ended = await run_command("doctor")
    assert ended.code != 0
    assert "1 of 2 do not verify: oauth_client " in ended.out


async def test_rewrap_renews_row_macs_except_of_forged_rows(run_command, database):
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE person SET created_at = created_at + interval '1 second'"))
    assert (await run_command("keys", "rotate", "row-mac")).code == 0
    assert (
        "under an older key" in (await run_command("doctor")).out
        or "do not verify" in (await run_command("doctor")).out
    )
    ended = await run_command("keys", "rewrap")
    assert "1 rows sealed by row-mac-2" in ended.operator_output
    assert "1 rows do not verify, open nothing and stay as they are: person " in ended.operator_output
    ring = KeyRing.load(run_command.keys)
    async with database.sessions() as session:
        for sealed, good in ((SEALED_CLIENT, True), (SEALED_PERSON, False)):
            row = (await session.execute(select(sealed.table))).mappings().one()
            assert ring.row_mac_verifies(row[MAC_COLUMN], sealed.encode_row({**row})) is good
            assert row[MAC_COLUMN][:4] == (2 if good else 1).to_bytes(4, "big")


async def test_rewrap_and_doctor_report_all_row_macs_valid(run_command):
    assert (await run_command("keys", "rotate", "row-mac")).code == 0
    assert "2 of 2 under an older key than row-mac-2" in (await run_command("doctor")).out
    ended = await run_command("keys", "rewrap")
    assert (ended.code, "No row names an older key than row-mac-2" in ended.operator_output) == (0, True)
    assert "2, all as they were written" in (await run_command("doctor")).out


@pytest.fixture
async def run_command(database, run_command):
    """The command line on a database with rows."""
    await some_rows(database)
    return run_command


@pytest.fixture
async def database_before_row_macs(database, run_command):
    """A database at the schema before row MACs, with a person and a client."""
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text("DELETE FROM journal_intake"))  # the older schema cannot hold these lines
    await migrate_schema(database.url, REVISION_BEFORE)
    return database


async def test_migration_adds_row_macs_to_existing_rows(database_before_row_macs, run_command):
    assert (await run_command("migrate")).code == 0
    async with database_before_row_macs.sessions() as session:
        for sealed in (SEALED_PERSON, SEALED_CLIENT):
            row = (await session.execute(select(sealed.table))).mappings().one()
            assert verify_row(session, sealed, row)


async def test_migration_of_existing_rows_in_production_needs_confirmation(
    database_before_row_macs, run_command, monkeypatch
):
    monkeypatch.setenv("MACHTIGING_ENV", "production")
    ended = await run_command("migrate")
    assert ended.code != 0
    assert "--seal-existing-rows" in ended.operator_output
    async with database_before_row_macs.service.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == REVISION_BEFORE
    assert (await run_command("migrate", "--seal-existing-rows")).code == 0


async def test_migrate_at_head_adds_no_row_macs(run_command, database):
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE person SET mac = ''"))
    assert (await run_command("migrate", "--seal-existing-rows")).code == 0
    async with unit_of_work(database.sessions) as session:
        with pytest.raises(NotAllowed, match="rij_ongeldig"):
            await find_or_create_by_bsn(session, load_keyring(), BSN_OF_PERSON, at=NOON)


def test_tables_with_row_macs_at_upgrade_are_the_long_lived_ones():
    names = {sealed.table.name for sealed in SEALED_AT_UPGRADE}
    assert names == {"person", "oauth_client", "oauth_grant", "refresh_token", "initial_access_token"}


def test_key_ring_without_row_mac_key_is_a_fault_and_generate_adds_it(tmp_path):
    keys = make_key_directory(tmp_path / "keys")
    kept = [entry for entry in read_key_entries(keys) if entry.kind is not KeyKind.ROW_MAC]
    (keys / "row-mac-1.key").unlink()
    (keys / "keys.json").write_text(serialise_manifest(kept))
    with pytest.raises(Fault, match="machtiging keys generate"):
        KeyRing.load(keys)
    before = {path.name: path.read_bytes() for path in keys.glob("*.key")}
    assert [entry.name for entry in generate_key_ring(keys)] == ["row-mac-1"]
    assert {path.name: path.read_bytes() for path in keys.glob("*.key") if path.name != "row-mac-1.key"} == before
    assert KeyRing.load(keys).row_mac_key_version == 1
    assert generate_key_ring(keys) == ()


@pytest.mark.parametrize("lost", [kind for kind in KeyKind if kind is not KeyKind.ROW_MAC])
def test_generate_adds_no_other_missing_key(tmp_path, lost):
    keys = make_key_directory(tmp_path / "keys")
    kept = [entry for entry in read_key_entries(keys) if entry.kind is not lost]
    (keys / "keys.json").write_text(serialise_manifest(kept))
    with pytest.raises(Fault, match="sleutelbos_onleesbaar"):
        generate_key_ring(keys)


def test_older_row_mac_key_as_active_is_rejected(tmp_path):
    keys = make_key_directory(tmp_path / "keys")
    rotate_key(keys, KeyKind.ROW_MAC, datetime.now(UTC))
    swapped = (
        serialise_manifest(read_key_entries(keys)).replace('"row-mac-1"', '"x"').replace('"row-mac-2"', '"row-mac-1"')
    )
    with pytest.raises(Fault, match="row-mac-1 seals while row-mac-2 is newer"):
        parse_manifest(swapped.replace('"x"', '"row-mac-2"'))


@pytest.mark.parametrize("instant", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"])
@pytest.mark.parametrize("sealed", SEALED_TABLES, ids=lambda one: one.table.name)
async def test_timestamp_out_of_range_is_rejected_by_every_sealed_table(database, sealed, instant):
    """Otherwise such a row is a fault instead of a forged row. Also in lists with other rows."""
    query = text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name")
    times = [column.name for column in sealed.table.columns if isinstance(column.type, DateTime)]
    async with database.sessions() as session:
        check = await session.scalar(query, {"name": f"{sealed.table.name}_times_reachable"})
        assert (check is not None) == bool(times)
        for name in times:
            columns = ", ".join(f"{'CAST(:at AS timestamptz)' if one == name else 'now()'} AS {one}" for one in times)
            holds = text(f"SELECT {check.removeprefix('CHECK')} FROM (SELECT {columns}) AS row")
            assert await session.scalar(holds.bindparams(bindparam("at", type_=Text)), {"at": instant}) is False, name
            assert await session.scalar(holds.bindparams(bindparam("at", type_=Text)), {"at": "2026-11-29"}) is True
