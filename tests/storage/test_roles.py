"""What each database role may do."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError


@pytest.mark.parametrize("table", ["journal", "journal_head"])
async def test_the_service_cannot_write_the_sealed_journal(session, table):
    with pytest.raises(DBAPIError, match="permission denied"):
        await session.execute(text(f"INSERT INTO {table} SELECT * FROM {table}"))
