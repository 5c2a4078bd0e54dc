"""Privileges of the database roles."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError


@pytest.mark.parametrize("table", ["journal", "journal_head"])
async def test_journal_insert_as_service_role_is_rejected(session, table):
    with pytest.raises(DBAPIError, match="permission denied"):
        await session.execute(text(f"INSERT INTO {table} SELECT * FROM {table}"))
