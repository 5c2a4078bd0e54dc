"""Migration of the kenmerk of older berichten to one Unicode spelling."""

import asyncpg
import pytest

from machtiging.storage.migration_runner import MIGRATIONS, migrate_schema
from tests.builders.letters import UWV

[SCRIPT] = (MIGRATIONS / "versions").glob("*_kenmerk_in_one_spelling.py")
REVISION_BEFORE = f"{int(SCRIPT.name[1:5]) - 1:04}"


async def references(connection):
    return [
        row["sender_reference"] for row in await connection.fetch("SELECT sender_reference FROM bericht ORDER BY id")
    ]


@pytest.mark.whole
async def test_migration_normalises_kenmerk_unless_taken(database):
    await migrate_schema(database.url, REVISION_BEFORE)
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute("SET session_replication_role = replica")  # letters without people and keys
        given = ["cafe\u0301", " K1 ", "A\u00a01", "A 1", "na\u0131\u0308ve", "plain"]
        for number, reference in enumerate(given):
            columns = "id, ontvanger_id, afzender_oin, dienst_code, theme, sensitivity, published_at, received_at"
            values = (
                f"'00000000-0000-7000-8000-{number:012}', gen_random_uuid(), $1, 'x', 'zorg', 'gewoon', now(), now()"
            )
            await connection.execute(
                f"INSERT INTO bericht ({columns}, sender_reference, content_hash, onderwerp_sealed, inhoud_sealed)"
                f" VALUES ({values}, $2, sha256('x'), 'x', 'x')",
                UWV,
                reference,
            )
        await migrate_schema(database.url, f"{int(REVISION_BEFORE) + 1:04}")
        assert await references(connection) == ["caf\u00e9", "K1", "A\u00a01", "A 1", "na\u0131\u0308ve", "plain"]
    finally:
        await connection.close()
